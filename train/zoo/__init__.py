"""Trains the policies that the project ships: every run of the recorded settings, the choice among them, the report."""

"""Brings markets from one decision to the next: the event loop, the start, a batch of markets in one set of tables."""

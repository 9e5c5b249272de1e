"""Closed forms of the market-making and execution literature, which policies, agents and tests compute with."""

"""Frozen, validated configuration of a market, its presets, and the tables it is built into."""

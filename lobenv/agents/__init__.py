"""Background traders: one file a kind, each its table and its rule."""

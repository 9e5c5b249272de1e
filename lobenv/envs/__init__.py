"""The faces of the market for reinforcement learning: one batched core, and what translates it."""

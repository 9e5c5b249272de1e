"""The neural learner: algorithms of Stable-Baselines3 in batches of markets, and what a training leaves behind."""

"""Trains policies: learners on Stable-Baselines3, formulas by genetic programming, each with its checks."""

"""A simulated limit order book with latency and a background population, as reinforcement-learning environments."""

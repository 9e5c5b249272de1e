"""A market with a known optimum, in which the neural learner is checked: fills come as a Poisson process."""

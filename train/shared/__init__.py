"""What every learner shares: markets to train in, evaluation on held-out seeds, and the papers of a trained policy."""

"""Genetic programming of market makers: genomes, fitness on shared seeds, NSGA-II, and what a run leaves behind."""

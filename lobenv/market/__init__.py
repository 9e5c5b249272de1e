"""One market, compiled: the only place where orders meet."""

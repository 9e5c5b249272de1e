"""Thin bridges to training libraries; each imports its own library and nobody else's."""

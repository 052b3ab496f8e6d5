"""Metrics: pure functions from text to numbers. Nothing here knows of torch.

A metric is one file that ends in a registration; :func:`xlgen.metrics.score.score` turns metrics into figures.
"""

"""Metrics: pure functions from text to numbers. Nothing here imports torch by itself.

A metric is one file that ends in a registration; :func:`xlgen.metrics.score.score` computes their values.
"""

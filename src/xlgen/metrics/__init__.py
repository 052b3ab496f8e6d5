"""Metrics: pure functions from text to numbers. Importing them does not import torch.

A metric is one file that ends in a registration; :func:`xlgen.metrics.score.score` computes their values.
"""

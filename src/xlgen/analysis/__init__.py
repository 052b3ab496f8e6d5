"""Analyses: what a model or a metric does beyond its score."""

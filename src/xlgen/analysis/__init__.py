"""Analyses of models and metrics beyond scores, one file each."""

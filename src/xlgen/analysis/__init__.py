"""Analyses of models and metrics beyond scores, one file each.

A new analysis is one file that computes rows; it opens models through ``open_model`` and ``collect_states``.
Nothing here may train or change a model.
"""

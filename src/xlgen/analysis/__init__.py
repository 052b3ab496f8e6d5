"""Analyses of models and metrics beyond scores, one file each: values, tables and figures, as plain data.

A new analysis is one file, and a line in ``saved``; it opens models through ``open_model`` and ``collect_states``.
Nothing here may train or change a model, or draw: ``report`` draws.
"""

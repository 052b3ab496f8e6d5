"""Decoding of checkpoints' outputs: search, sampling, language control, and clean-up of the text.

A new language control is one file in ``control``; outputs must equal those of ``generate`` of ``transformers``.
Nothing here may know a task, a metric or how a model was trained.
"""

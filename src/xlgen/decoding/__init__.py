"""Decoding of checkpoints' outputs, and clean-up of the text."""

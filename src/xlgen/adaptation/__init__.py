"""Adaptation methods, one file each, and the checkpoints of adapted models.

A new method is one file with a registration; its inserted modules and what it trains are defined there.
Nothing outside this folder may ask which method a model was adapted with.
"""

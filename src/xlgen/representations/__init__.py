"""Encoder states of texts: their collection, pooling, the pairing of parallel texts, and XLRS.

Another pooling or another similarity that is tracked during training goes here; analyses of states go to ``analysis``.
Nothing here may know how a model was trained.
"""

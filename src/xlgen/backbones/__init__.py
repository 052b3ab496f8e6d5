"""Pretrained models by family: one file each. Nobody outside this folder asks which family a model is of."""

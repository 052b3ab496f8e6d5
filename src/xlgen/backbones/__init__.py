"""Pretrained models by family, one file each, and their loading, tokenizers and heads.

A new family is one file with a registration.
Nothing outside this folder may ask which family a model belongs to.
"""

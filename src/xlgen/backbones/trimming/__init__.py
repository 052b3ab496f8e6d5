"""Vocabulary trimming: keep the tokens that texts of the wanted languages use, and drop the rows of all others.

``trim.py`` and ``untrim.py`` are the two operations; every other file is one of their steps. What depends on the form
of a tokenizer is in ``vocabulary.py`` and ``tokenizer_files.py``; nothing here depends on the family of a model.
"""

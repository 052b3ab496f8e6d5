"""The embedded default: a small multilingual world and small backbones pretrained on it.

A new language is one lexicon file; a change of a lexicon requires new tokenizers and new backbones.
Nothing here may be needed by a user who has data and models of their own.
"""

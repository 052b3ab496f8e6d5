"""Predictions of a model in every language, their scores and their files; ``export`` writes models for other engines.

Predictors, the scoring of their outputs and the files of an evaluation may be changed here.
Nothing here may know how a model was trained, beyond its checkpoint.
"""

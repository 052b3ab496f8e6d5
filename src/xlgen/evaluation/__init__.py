"""Predictions of a model in every language, their scores and their files; ``export`` writes models for other engines.

What is predicted, how it is scored and which files it leaves are changed here.
Nothing here may know how a model was trained, beyond its checkpoint.
"""

"""Reading of files and datasets, tasks with their templates, objectives, and batches with a token budget.

A new reader or objective is one file with a registration; a new task is a YAML file in ``recipes/tasks``.
Nothing here may know a model beyond its tokenizer.
"""

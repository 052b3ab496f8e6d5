"""The report of a run or a study: tables, plots and one HTML page, built only from the files of the runs.

A new table or plot is one file; the page and the files in ``tables/`` show the same tables.
Nothing here may import torch or open a checkpoint.
"""

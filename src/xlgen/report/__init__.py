"""The report of a run or a study: figures, tables, plots and one page, rebuilt from the files of the runs alone."""

"""The report of a run or a study: tables, plots and one HTML page, built only from the files of the runs."""

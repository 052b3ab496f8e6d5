"""Studies of several runs: plan the runs, run the missing ones, and select among the results.

A new search policy or selection criterion is one file in ``policies`` or ``criteria``.
Selection reads the files of runs only, without torch.
"""

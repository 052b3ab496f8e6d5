"""Studies of several runs: plan the runs, run the missing ones, and select among the results."""

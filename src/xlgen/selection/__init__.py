"""Choosing: which learning rates to try, which one to take, and which checkpoint; reads the files of runs only."""

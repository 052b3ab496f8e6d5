"""One run: from a recipe to a folder of checkpoints, predictions and scores.

A new penalty, baseline or callback is one file in the folder of its kind; the loop itself is ``loop.py``.
Nothing here may decide which run is better: that is selection, in ``experiments``.
"""

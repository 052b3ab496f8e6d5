"""One run: from a recipe to a folder of checkpoints, predictions and scores.

A new penalty or baseline is one file in ``penalties`` or ``baselines``; the loop itself is ``loop.py``.
Nothing here may decide which run is better: that is selection, in ``experiments``.
"""

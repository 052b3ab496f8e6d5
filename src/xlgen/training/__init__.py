"""One run: from a recipe to a folder of checkpoints, predictions and figures."""

"""Reading of files and data sets, and batches with a token budget."""

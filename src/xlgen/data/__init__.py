"""From files and data sets to token-budget batches."""

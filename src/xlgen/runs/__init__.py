"""Run folders read back: what a run was, and its figures as rows. Reads files only."""

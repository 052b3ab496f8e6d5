"""Run folders: read and write their files, and collect their metrics as rows."""

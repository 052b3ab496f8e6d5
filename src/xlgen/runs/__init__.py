"""Run folders: read and write their files, and collect their metrics as rows.

A new file of a run folder gets its types, its reader and its writer here.
Nothing here may trust what a file says before it has been checked.
"""

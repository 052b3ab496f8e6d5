"""Several runs as one: plan them, run what is missing, and leave a folder of runs behind."""

"""Language identifiers: each is one file here that ends in a registration; :func:`xlgen.metrics.lid.load` finds it."""

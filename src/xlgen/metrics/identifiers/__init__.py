"""Language identifiers. Each is one file that ends in a registration; see :func:`xlgen.metrics.lid.load_identifier`."""

"""The version of the package: the one place that has it."""

VERSION = "0.1.0"

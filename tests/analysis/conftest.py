"""The synthetic study."""

from synthetic import study

__all__ = ["study"]

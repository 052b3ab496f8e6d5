"""xlgen: zero-shot cross-lingual generation. Labels in one language, output in the right language in all others."""

__version__ = "0.1.0"

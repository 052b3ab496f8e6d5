"""The functions that ``import xlgen`` offers, each of which a command of the command line calls too.

A new public function goes here and into ``xlgen/__init__.py``; the work itself goes into the folder that it belongs to.
"""

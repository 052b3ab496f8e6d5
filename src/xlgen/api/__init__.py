"""The functions of ``import xlgen``. Each command except `doctor` calls one of them.

A new public function goes here and into ``xlgen/__init__.py``; the work itself goes into the folder that it belongs to.
"""

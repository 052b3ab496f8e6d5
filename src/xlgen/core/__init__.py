"""What everything else is built on: errors, the registry, recipes as typed configs, YAML, languages, safe files.

A new setting of a recipe, a new language or a new check of untrusted input goes here.
Nothing here may import another folder of xlgen, or import torch when it is imported.
"""

"""``xlgen.analyze``: the functions of ``xlgen analyze``, one for each of its commands.

Models are named as on the command line: an embedded backbone, a folder, an id on the Hub, a run (its newest checkpoint)
or a checkpoint. Every function returns :class:`Analyzed`. With ``out``, it also writes the values and the
plots into that folder; ``out=run.folder / "analysis"`` adds them to the report of the run.
"""

from xlgen.api.analyze.analyzed import Analyzed
from xlgen.api.analyze.parameters import prompts, spectra
from xlgen.api.analyze.results import correlation, overlap, selection
from xlgen.api.analyze.states import cka, lens, probe

__all__ = ["Analyzed", "cka", "correlation", "lens", "overlap", "probe", "prompts", "selection", "spectra"]

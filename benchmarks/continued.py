"""The tables of docs/results/findings.md on continued training: what J found, on pocket-mbart.

    xlgen study pocket-continued --out runs/pocket-continued
    python benchmarks/continued.py runs/pocket-continued [--figure docs/results/findings/continued.svg]

Norms of singular values by kind of weight, beside those of the parent, and CKA to it by layer. Markdown.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.analysis.open_model import read_weights, represent
from xlgen.analysis.similarity import compare_models
from xlgen.analysis.spectra import Spectrum, compared, spectra
from xlgen.core.config import ParallelText
from xlgen.pocket.world import LANGUAGES
from xlgen.report.heatmaps import draw_heatmaps

PARENT = "pocket-mbart"
TEXTS = ParallelText(sentences=128)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figure", type=Path, help="write a figure to this SVG file")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = continued(chosen.folder)
    print(norms(found), similar(chosen.folder), sep="\n\n", flush=True)
    if chosen.figure:
        growth(found, chosen.figure)


def continued(folder: Path) -> Mapping[str, Sequence[Spectrum]]:
    """By run (and the parent, first), the spectra of its weights and what changed since the parent."""
    base = spectra(read_weights(PARENT)[0])
    runs = {run.name: compared(read_weights(str(run))[0], base) for run in _runs(folder)}
    return {PARENT: base, **runs}


def _runs(folder: Path) -> list[Path]:
    named = ((folder / "runs").glob(f"{name}-seed=*") for name in ("translation", "denoising"))
    found = [path for paths in named for path in sorted(paths) if path.is_dir()]
    if not found:
        raise SystemExit(f"{folder}: no runs of pocket-continued")
    return found


def _kind(each: Spectrum) -> str:
    return " ".join(filter(None, (each.weight.half, each.weight.attention, each.weight.kind)))


def _column(each: Spectrum) -> str:
    return f"{each.weight.attention}\n{each.weight.kind}"


def norms(found: Mapping[str, Sequence[Spectrum]]) -> str:
    """A line a kind of weight: the norm, mean over layers, of each model; and d of each run."""
    kinds = list(dict.fromkeys(_kind(each) for each in next(iter(found.values()))))
    lines = ["| weight | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for kind in [*kinds, ""]:
        cells = []
        for name, every in found.items():
            mine = [each for each in every if not kind or _kind(each) == kind]
            cell = f"{_mean(each.norm for each in mine):.3f}"
            cells.append(cell if name == PARENT else f"{cell} ({_mean(each.distance for each in mine):.2f})")
        lines.append(f"| {kind or 'all'} | " + " | ".join(cells) + " |")
    larger = {
        name: sum(new.norm > old.norm for new, old in zip(every, found[PARENT], strict=True))
        for name, every in found.items()
        if name != PARENT
    }
    total = len(found[PARENT])
    lines += [
        "",
        *(f"{name}: {count} of {total} weights have a larger norm than the parent's" for name, count in larger.items()),
    ]
    return "\n".join(lines)


def similar(folder: Path) -> str:
    """CKA to the parent by layer, mean over languages, with the least alike language."""
    parent = represent(PARENT, TEXTS, LANGUAGES)
    lines = []
    for run in _runs(folder):
        found = compare_models(parent, represent(str(run), TEXTS, LANGUAGES))
        cells = []
        for values in found.values:  # (languages,) of a layer
            least = int(np.argmin(values))
            cells.append(f"{values.mean():.3f} ({found.languages[least]} {values[least]:.2f})")
        if not lines:
            lines = [
                f"| CKA to {PARENT} | embeddings | " + " | ".join(f"layer {i}" for i in range(1, len(cells))) + " |"
            ]
            lines.append("|---|" + "---:|" * len(cells))
        lines.append(f"| {run.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def growth(found: Mapping[str, Sequence[Spectrum]], path: Path) -> Path:
    """A panel a run: how much the norm of every weight grew, in percent; layers down, kinds across."""
    base, *_ = found.values()
    rows = list(dict.fromkeys(f"{each.weight.half} {each.weight.layer}" for each in base))
    kinds = list(dict.fromkeys(_column(each) for each in base))
    panels = []
    for name, every in found.items():
        if name != PARENT:
            values = np.full((len(rows), len(kinds)), np.nan)
            for new, old in zip(every, base, strict=True):
                row = rows.index(f"{new.weight.half} {new.weight.layer}")
                values[row, kinds.index(_column(new))] = 100 * (new.norm / old.norm - 1)
            panels.append(Panel(name, rows, kinds, values))
    title = "Growth of the norm of singular values (%)"
    return draw_heatmaps(Heatmaps(path.stem, title, tuple(panels), across=2, limits=(None, None)), path)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    main()

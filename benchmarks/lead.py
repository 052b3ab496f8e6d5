"""By how much each run of a quickstart beats the lead: ``python benchmarks/lead.py [runs/quickstart]``.

ROUGE-L of each document, averaged over the languages without labels; the interval is the paired bootstrap over
documents, which are parallel, so that one resample draws the same documents in every language.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from xlgen.metrics.base import Example, Scores, metrics
from xlgen.metrics.significance import paired_bootstrap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/quickstart"))
    parser.add_argument("--against", default="lead")
    options = parser.parse_args()
    runs = sorted(path for path in (options.folder / "runs").iterdir() if (path / "predictions").is_dir())
    scores = {run.name: by_language(run) for run in runs}
    against = scores.pop(options.against)
    table = Table("run", "ROUGE-L", options.against, "difference", "95 % interval", "p", "languages above")
    for name, found in scores.items():
        result = paired_bootstrap(mean(found), mean(against))
        assert result and result.low is not None and result.high is not None
        above = sum(found[code].mean() > against[code].mean() for code in against)
        table.add_row(
            name,
            f"{100 * mean(found).mean():.1f}",
            f"{100 * mean(against).mean():.1f}",
            f"{100 * result.difference:.1f}",
            f"{100 * result.low:.1f} to {100 * result.high:.1f}",
            f"{result.p:.3f}",
            f"{above} of {len(against)}",
        )
    Console().print(table)


def by_language(run: Path) -> dict[str, Scores]:
    """ROUGE-L of each document of the last predictions, by language but English."""
    last = max((run / "predictions").iterdir(), key=lambda path: int(path.name.removeprefix("step-")))
    found = {}
    for file in sorted(last.glob("*.jsonl")):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        examples = [Example(file.stem, row["prediction"], tuple(row["references"])) for row in rows]
        found[file.stem] = metrics.get("rouge")().per_example(examples)["rougeL"]
    del found["en"]
    return found


def mean(scores: dict[str, Scores]) -> Scores:
    """Of each document, over languages."""
    return np.mean([*scores.values()], axis=0)


if __name__ == "__main__":
    main()

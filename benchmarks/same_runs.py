"""Whether two folders of one study hold the same runs: every loss and every figure, to the last digit.

    python benchmarks/same_runs.py LOCAL RAY

For a study that ran twice: on one machine and through Ray, or killed and not. Times and rates of steps are left out.
Prints runs that differ or are in one folder only, and how often each run was begun where the log of a Ray run says so.
Exit code 1 where anything differs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from xlgen.results.files import read_lines

_MEASURED = ("time", "seconds", "steps_per_second", "tokens_per_second", "examples_per_second")


def said(run: Path) -> list[str]:
    """Its losses and figures, as text to compare."""
    return sorted(
        json.dumps({key: value for key, value in event.items() if key not in _MEASURED}, sort_keys=True)
        for event in read_lines(run / "metrics.jsonl")
        if event["event"] in ("step", "figure")
    )


def begun(run: Path) -> int:
    """On how many nodes, one after another, a run was begun."""
    return sum("node" in line for line in read_lines(run.parent / f"{run.name}.log"))


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    ours, theirs = (
        {path.parent.name: path.parent for path in Path(folder, "runs").glob("*/state.json")} for folder in sys.argv[1:]
    )
    alone = sorted(ours.keys() ^ theirs.keys())
    different = [name for name in sorted(ours.keys() & theirs.keys()) if said(ours[name]) != said(theirs[name])]
    again = {name: count for name, path in theirs.items() if (count := begun(path)) > 1}
    print(f"{len(ours)} and {len(theirs)} runs; {len(ours.keys() & theirs.keys()) - len(different)} are equal")
    print(f"in one folder only: {', '.join(alone) or 'none'}")
    print(f"different: {', '.join(different) or 'none'}")
    print(f"begun more than once: {again or 'none'}")
    sys.exit(1 if alone or different else 0)


if __name__ == "__main__":
    main()

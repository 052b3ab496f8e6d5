"""Whether two folders of one study hold the same runs: every loss and every figure, to the last digit.

    python benchmarks/same_runs.py LOCAL RAY

For a study that ran twice: on one machine and through Ray, or killed and not. Times and rates of steps are left out.
Prints runs that differ or are in one folder only, those that Ray began more than once, and how many on each node.
Exit code 1 where anything differs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from xlgen.runs.files import json_lines

_MEASURED = ("time", "seconds", "steps_per_second", "tokens_per_second", "examples_per_second")


def said(run: Path) -> list[str]:
    """Its losses and figures, as text to compare."""
    return sorted(
        json.dumps({key: value for key, value in event.items() if key not in _MEASURED}, sort_keys=True)
        for event in json_lines(run / "metrics.jsonl")
        if isinstance(event, dict) and event["event"] in ("step", "figure")
    )


def nodes(run: Path) -> list[str]:
    """The nodes on which a run was begun, one after another."""
    return [
        line["node"] for line in json_lines(run.parent / f"{run.name}.log") if isinstance(line, dict) and "node" in line
    ]


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    ours, theirs = (
        {path.parent.name: path.parent for path in Path(folder, "runs").glob("*/state.json")} for folder in sys.argv[1:]
    )
    alone = sorted(ours.keys() ^ theirs.keys())
    different = [name for name in sorted(ours.keys() & theirs.keys()) if said(ours[name]) != said(theirs[name])]
    begun = {name: nodes(path) for name, path in theirs.items()}
    print(f"{len(ours)} and {len(theirs)} runs; {len(ours.keys() & theirs.keys()) - len(different)} are equal")
    print(f"in one folder only: {', '.join(alone) or 'none'}")
    print(f"different: {', '.join(different) or 'none'}")
    print(f"begun more than once: {', '.join(name for name, on in begun.items() if len(on) > 1) or 'none'}")
    print(f"begun on each node: {dict(Counter(node for on in begun.values() for node in on)) or 'not through Ray'}")
    sys.exit(1 if alone or different else 0)


if __name__ == "__main__":
    main()

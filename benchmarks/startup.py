"""Claim: ``xlgen --help`` takes less than 0.4 s, and ``xlgen score`` of 100 rows less than 1 s, start-up included.

    python benchmarks/startup.py [--repeats 7]

Each is a process of its own; the first one, which may read files from the disk, is left out. Medians. Beside them
stands what starting Python itself takes, and importing torch, which neither command does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {"xlgen --help": 0.4, "xlgen score, 100 rows": 1.0}


def rows(file: Path) -> None:
    """100 outputs in four scripts, with references."""
    texts = {
        "en": "The mayor opened the library.",
        "th": "นายกเทศมนตรีเปิดห้องสมุด",
        "ar": "افتتح رئيس البلدية المكتبة",
        "zh": "市长开放了图书馆",
    }
    lines = []
    for number in range(100):
        language = list(texts)[number % 4]
        row = {"id": str(number), "language": language, "prediction": texts[language], "references": [texts[language]]}
        lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    file.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    xlgen = str(Path(sys.executable).with_name("xlgen"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "outputs.jsonl"
        rows(file)
        commands = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "xlgen --help": [xlgen, "--help"],
            "xlgen score, 100 rows": [xlgen, "score", str(file)],
            "import torch": [sys.executable, "-c", "import torch"],
        }
        slow = False
        for name, command in commands.items():
            times = []
            for _ in range(options.repeats + 1):
                started = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                times.append(time.perf_counter() - started)
            median, limit = statistics.median(times[1:]), LIMITS.get(name)
            verdict = "" if limit is None else f"limit {limit} s: {'holds' if median < limit else 'FAILS'}"
            slow |= limit is not None and median >= limit
            print(f"{name:24} {median:.2f} s  {verdict}")
    sys.exit(slow)


if __name__ == "__main__":
    main()

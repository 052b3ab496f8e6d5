"""Claim: `xlgen score` reads a million rows within 1.5 GiB of memory, default figures and intervals included.

Makes the rows in a temporary folder, runs the command in a process of its own with the default metrics, and prints its
peak of resident memory and the rows a second. With --compare the rows are scored against a second file of as many.

    python benchmarks/score_rows.py [ROWS] [--compare]
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_GIB = 1.5
SENTENCES = {
    "en": "The mayor opened the new library of the town on Monday and the children were happy about it.",
    "de": "Die Bürgermeisterin hat am Montag die neue Bibliothek der Stadt eröffnet und die Kinder freuten sich.",
    "ru": "Мэр города открыл в понедельник новую библиотеку, и дети очень обрадовались этому событию.",
    "ar": "افتتح رئيس البلدية مكتبة جديدة في المدينة يوم الاثنين وفرح الأطفال بذلك كثيرا.",
    "hi": "महापौर ने सोमवार को शहर में एक नया पुस्तकालय खोला और बच्चे बहुत खुश हुए।",
    "th": "นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่ของเมืองเมื่อวันจันทร์และเด็กๆ ก็ดีใจมาก",
    "zh": "市长星期一在城里开放了一座新的图书馆，孩子们都非常高兴。",
    "ja": "市長は月曜日に町の新しい図書館を開き、子どもたちはとても喜んだ。",
}


def write_rows(path: Path, count: int, seed: int) -> None:
    """Rows in eight languages: the reference shuffled, cut or kept, and a number, so that no two are alike."""
    chance = random.Random(seed)
    codes = list(SENTENCES)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            code = codes[number % len(codes)]
            reference = f"{SENTENCES[code]} {number}"
            words = reference.split()
            prediction = " ".join(chance.sample(words, chance.randint(1, len(words))))
            row = {"id": f"row-{number}", "language": code, "prediction": prediction, "references": [reference]}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    count = next((int(argument) for argument in sys.argv[1:] if argument.isdigit()), 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("a.jsonl", "b.jsonl")][: 2 if "--compare" in sys.argv else 1]
        for seed, path in enumerate(files):
            write_rows(path, count, seed)
        size = sum(path.stat().st_size for path in files) / 2**20
        extra = ["--compare", str(files[1])] if len(files) == 2 else []
        command = [sys.executable, "-m", "xlgen", "score", str(files[0]), "--format", "json", *extra]
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        found = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    peak = usage.ru_maxrss / 2**20  # KiB on Linux
    scored = sum(row["n"] for row in found["rows"] if row["metric"] == "empty_rate" and row["language"] != "mean")
    print(f"{scored:,} rows, {size:.0f} MiB: peak {peak:.2f} GiB, {seconds:.0f} s, {scored / seconds:,.0f} rows/s")
    if status or scored != count * len(files) or peak > LIMIT_GIB:
        sys.exit(f"the claim does not hold: status {status}, {scored:,} rows, limit {LIMIT_GIB} GiB")


if __name__ == "__main__":
    main()

"""What tokenizing SQuAD costs a run: ``python benchmarks/tokens.py [--data ../shared/data]``.

All questions with their contexts for pocket-mt5: one by one, together into an empty cache, and from the cache; cropping
to the task's limit is a time of its own in the last two.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from xlgen.backbones import loading
from xlgen.data.tasks import load_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    task = load_task("squad-xquad", parser.parse_args().data)
    rows = task.examples("en", "train")

    def encode() -> None:
        for row in rows:
            backbone.encode(row, task.config.max_source_tokens)

    with tempfile.TemporaryDirectory() as folder:
        os.environ["XLGEN_CACHE"] = folder
        backbone = loading.load("pocket-mt5")
        print(f"{len(rows)} questions, one by one, with cropping: {seconds(encode):.1f} s")
        for state in ("into an empty cache", "from the cache"):
            backbone = loading.load("pocket-mt5")
            texts = [text for row in rows for text in (row.source, row.targets[0])]
            learned = seconds(partial(backbone.cache_tokens, texts))
            print(f"together, {state}: {learned:.1f} s, and cropping: {seconds(encode):.1f} s")


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""What tracking XLRS costs beside training: ``python benchmarks/xlrs.py [--data ../shared/data] [--steps 40]``.

One run of pocket-mt5 on English summaries, batches of 4,000 tokens as in Chirkova et al. (2023), evaluated once at its
end; XLRS on 512 texts in each of 12 languages, as in Li and Murray (2023), of the pocket world and of NTREX-128. Steps
and XLRS are timed by the run itself. The last column is XLRS's share of training where it is measured every 2,000
steps, as often as Chirkova et al. evaluate.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from xlgen.core.config import Recipe
from xlgen.training.run import train

EVERY = 2_000
CODES = {
    "en": "eng", "fr": "fra", "de": "deu", "es": "spa", "ru": "rus", "tr": "tur", "ar": "arb", "hi": "hin",
    "th": "tha", "vi": "vie", "zh": "zho-CN", "ja": "jpn", "ko": "kor", "id": "ind", "sw": "swa", "fi": "fin",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--steps", type=int, default=40)
    chosen = parser.parse_args()
    ntrex = {"reader": "lines", "path": "ntrex128/{language}.txt", "codes": CODES}
    cases: dict[str, dict[str, Any]] = {"pocket world": {"field": "summary"}}
    if (chosen.data / "ntrex128").is_dir():
        cases["NTREX-128"] = {"corpus": ntrex, "languages": list(CODES)[1:12]}
    else:
        print(f"no NTREX-128 in {chosen.data}")
    for name, config in cases.items():
        step, xlrs, texts = measure(config, chosen.steps, chosen.data)
        share = 100 * xlrs / (EVERY * step)
        print(
            f"{name}: a step {1000 * step:.0f} ms; {texts} texts x 12 languages {xlrs:.1f} s, "
            f"{xlrs / step:.0f} steps; {share:.2f} % of training with every {EVERY:,} steps"
        )


def measure(config: dict[str, Any], steps: int, data: Path) -> tuple[float, float, int]:
    """Seconds of a step and of measuring XLRS, and the texts of a language."""
    recipe = {
        "name": "xlrs",
        "backbone": {"name": "pocket-mt5", "unknown_languages": "allow"},
        "task": "pocket-summaries",
        "data_dir": str(data),
        "training": {"steps": steps, "warmup_steps": 4, "batch_tokens": 4_000, "log_every": 1},
        "evaluation": {"every": None, "examples": 1, "max_new_tokens": 2, "bootstrap": 0, "xlrs": config},
    }
    with tempfile.TemporaryDirectory() as folder:
        train(Recipe.model_validate(recipe), Path(folder) / "run")
        lines = (Path(folder) / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    times = [event["time"] for event in events if event["event"] == "step"]
    (measured,) = (event for event in events if event["event"] == "xlrs")
    return (times[-1] - times[4]) / (len(times) - 5), measured["seconds"], measured["texts"]


if __name__ == "__main__":
    main()

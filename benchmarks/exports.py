"""Claim: exported models generate what `xlgen predict` does, with 4 beams, in 12 languages at once, in fp32.

`python benchmarks/exports.py [PYTHON]`: pocket backbones, three methods, 17 inputs of each language. The weights are
the pretrained ones with noise of 2 % of their standard deviation, in all that the method trains. PYTHON is an
interpreter with another transformers, such as 4.57, through which the folders are opened too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.data.tasks import load_task
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.export.run import export

TASK, EACH, BEAMS = "pocket-summaries", 17, 4
SCRIPT = Path(__file__).resolve().parents[1] / "tests" / "export" / "elsewhere.py"


def checkpoint(folder: Path, name: str, config: dict[str, str]) -> Path:
    """A checkpoint whose trained weights have moved."""
    backbone, method = loading.load(name), methods.build(config)
    method.prepare(backbone)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in backbone.model.parameters():
            if parameter.requires_grad:
                scale = parameter.std() if parameter.std() > 0 else 1.0
                parameter.add_(torch.randn_like(parameter) * 0.02 * scale)
    place = folder / "run" / "checkpoints" / "step-1"
    store.save_checkpoint(place, backbone, method, store.About(1, name, config, TASK, "."))
    return place


def opened_by(python: str, backbone: Backbone, folder: Path) -> tuple[int, int, str]:
    """(asked, equal, version of transformers) for the folder, opened by another interpreter."""
    task = load_task(TASK, Path())
    longest = task.config.max_source_tokens
    rows = []
    for code in task.languages:
        found = task.examples(code, "validation", 4 * EACH, labelled=False)
        # Inputs over the limit are cropped between words here, and between tokens elsewhere.
        rows += [row for row in found if not backbone.encode_source(row, longest)[1]][:EACH]
    languages = [row.language for row in rows]
    prefixes = [backbone.target_prefix(code) for code in languages]
    asked = {
        "texts": [row.source for row in rows],
        "languages": languages,
        "codes": [backbone.tokenizer.convert_ids_to_tokens(found[0]) if found else "" for found in prefixes],
        "max_length": longest,
        "max_new_tokens": task.config.max_target_tokens,
        "num_beams": BEAMS,
    }
    (folder.parent / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    command = [python, str(SCRIPT), str(folder), str(folder.parent / "asked.json")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    elsewhere = json.loads(printed.splitlines()[-1])
    sources = [backbone.encode_source(row, longest)[0] for row in rows]
    ours = hypotheses(backbone, sources, languages, Decoding(task.config.max_target_tokens, BEAMS))
    own = [list(best[0].tokens) for best in ours]
    equal = sum(row[: len(tokens)] == tokens for row, tokens in zip(elsewhere["ids"], own, strict=True))
    return len(own), equal, elsewhere["version"]


def main() -> None:
    torch.set_num_threads(1)
    holds = True
    print("| backbone | method | format | greedy | 4 beams | scores within |\n|---|---|---|---:|---:|---:|")
    for name in ("pocket-mt5", "pocket-mbart", "pocket-nllb"):
        for config in ({"method": "full"}, {"method": "lora"}, {"method": "adapters"}):
            for to in ("transformers", "ctranslate2"):
                if (config["method"], to) == ("adapters", "ctranslate2"):
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    place, out = checkpoint(Path(folder), name, config), Path(folder) / "out"
                    found = export(place, to, out, examples=EACH)
                    holds &= found.compared == found.equal == found.equal_with_beams
                    figures = (
                        f"{found.equal} of {found.compared} | {found.equal_with_beams} | {found.score_difference:.0e}"
                    )
                    print(f"| {name} | {config['method']} | {to} | {figures} |", flush=True)
                    if len(sys.argv) > 1 and to == "transformers":
                        asked, equal, version = opened_by(sys.argv[1], store.load_checkpoint(place)[0], out)
                        holds &= asked == equal
                        row = f"| {name} | {config['method']} | {to} {version} | | {equal} of {asked} | |"
                        print(row, flush=True)
    print(f"the claim {'holds' if holds else 'DOES NOT HOLD'}")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()

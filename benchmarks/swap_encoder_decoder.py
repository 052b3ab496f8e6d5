"""Which part of a finetuned model causes output in the wrong language, its encoder or its decoder?

``python benchmarks/swap_encoder_decoder.py RUN --out DIR`` writes two models into DIR. ``encoder-before`` has the
pretrained encoder, and the finetuned decoder, embeddings and head of RUN (full finetuning). ``decoder-before`` has the
finetuned encoder, and the pretrained decoder, embeddings and head. Compare them with ``xlgen analyze lens``. Li and
Murray (2023) argue that the encoder's hidden states lose the language, so that the decoder cannot know it. If so,
``encoder-before`` should generate the right language.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from xlgen.analysis.open_model import open_model
from xlgen.backbones import loading
from xlgen.runs.checkpoints import find_checkpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    about = json.loads((find_checkpoint(args.run) / "checkpoint.json").read_text(encoding="utf-8"))
    before = loading.load(about["backbone"]).model.state_dict()
    for name, from_before in (("encoder-before", True), ("decoder-before", False)):
        backbone, _ = open_model(str(args.run))
        prefixes = backbone.parts()["encoder"]
        # `shared` holds the embeddings, which stay with the decoder; `embed_tokens` is another name for them.
        weights = {key: value for key, value in before.items() if "embed_tokens" not in key}
        changed = {key: value for key, value in weights.items() if key.startswith(prefixes) == from_before}
        backbone.model.load_state_dict(changed, strict=False)
        backbone.model.save_pretrained(args.out / name)
        backbone.tokenizer.save_pretrained(args.out / name)
        print(f"{args.out / name}: {len(changed)} tensors of {about['backbone']}")


if __name__ == "__main__":
    main()

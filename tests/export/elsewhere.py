"""Generates with an exported folder through transformers alone: `python elsewhere.py FOLDER ASKED.json`.

ASKED has ``texts``, their ``codes`` (as the tokenizer writes languages; empty for mT5), ``languages``, ``max_length``,
``max_new_tokens`` and ``num_beams``. Prints a JSON list of token ids by text. Runs under transformers 4.57 and 5.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer


def main() -> None:
    folder, asked = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    if (folder / "base").is_dir():
        sys.path.insert(0, str(folder))
        from xlgen_adapted import load, set_language

        model, tokenizer = load(folder)
        set_language(model, asked["languages"])
    else:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = []
    for text, code in zip(asked["texts"], asked["codes"], strict=True):
        if code:
            tokenizer.src_lang = code
        rows.append(tokenizer(text, truncation=True, max_length=asked["max_length"])["input_ids"])
    ids: list[list[int]] = [[] for _ in rows]
    # A forced first token counts as one of the output's; a second decoder_input_id would count as its prompt, and the
    # length penalty would choose other outputs.
    for code in dict.fromkeys(asked["codes"]):
        forced = tokenizer.convert_tokens_to_ids(code) if code else None
        chosen = [place for place, each in enumerate(asked["codes"]) if each == code]
        width, pad = max(len(rows[place]) for place in chosen), tokenizer.pad_token_id
        found = model.generate(
            input_ids=torch.tensor([rows[place] + [pad] * (width - len(rows[place])) for place in chosen]),
            attention_mask=torch.tensor(
                [[1] * len(rows[place]) + [0] * (width - len(rows[place])) for place in chosen]
            ),
            max_new_tokens=asked["max_new_tokens"] + (forced is not None),
            num_beams=asked["num_beams"],
            length_penalty=0.6,
            early_stopping=False,
            forced_eos_token_id=None,
            forced_bos_token_id=forced,
        )
        for place, row in zip(chosen, found.tolist(), strict=True):
            ids[place] = row[1 + (forced is not None) :]
    print(json.dumps({"version": transformers.__version__, "ids": ids, "rows": rows}))


if __name__ == "__main__":
    main()

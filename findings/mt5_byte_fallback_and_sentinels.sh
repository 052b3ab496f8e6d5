#!/usr/bin/env bash
# mT5's published SentencePiece file in transformers 5: byte pieces and sentinels.
#
# One expects: a character outside the vocabulary becomes byte pieces, as SentencePiece itself writes it and as the file
# says (byte_fallback), and byte pieces become the character again; <extra_id_0> is a token, as in T5.
# What happens: T5Tokenizer builds a model with byte_fallback off. The character is <unk> on the way in; what a model
# writes in bytes comes out as "<0xF0><0x9F>..." text. With extra_ids 0, as google/mt5-* has it, <extra_id_0> has no id:
# the file calls it "▁<extra_id_0>". Writing byte_fallback into tokenizer.json does not help: the class makes the model
# anew; only the generic class reads the file as it is.
# Why it matters here: rare Han characters and emoji are lost in both directions, and span corruption finds no sentinel.
# xlgen spells bytes itself (backbones/text.py) and exports mT5's tokenizer under the generic class.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet transformers==5.23.0 tokenizers==0.23.3 sentencepiece==0.2.3 protobuf==7.36.2
"$folder/venv/bin/python" - "$folder" <<'PY'
import json, pathlib, sys, sentencepiece, tokenizers, transformers
from sentencepiece import sentencepiece_model_pb2 as proto
from transformers import AutoTokenizer

print("transformers", transformers.__version__, "tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__)
folder = pathlib.Path(sys.argv[1]) / "mt5"
folder.mkdir()
text = [f"the cat number {n} sat on mat {n * 7}" for n in range(200)]
file = folder / "spiece.model"
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(text), model_prefix=str(folder / "spiece"), vocab_size=320, model_type="unigram",
    byte_fallback=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2, hard_vocab_limit=False,
)
model = proto.ModelProto.FromString(file.read_bytes())
for number in reversed(range(100)):  # as in the published file
    model.pieces.add(piece=f"▁<extra_id_{number}>", score=0.0, type=proto.ModelProto.SentencePiece.USER_DEFINED)
file.write_bytes(model.SerializeToString())
(folder / "config.json").write_text(json.dumps({"model_type": "mt5"}))
(folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": None}))
judge = sentencepiece.SentencePieceProcessor(model_file=str(file))
tokenizer = AutoTokenizer.from_pretrained(folder)
said = "cat 書"
ours, theirs = (tokenizer(said, add_special_tokens=False)["input_ids"], judge.encode(said))
print("SentencePiece:", judge.id_to_piece(theirs))
print("transformers: ", tokenizer.convert_ids_to_tokens(ours))
print("bytes decoded by SentencePiece:", repr(judge.decode(theirs)), "by transformers:", repr(tokenizer.decode(theirs)))
print("<extra_id_0>:", tokenizer.convert_tokens_to_ids("<extra_id_0>"), "▁<extra_id_0>:", tokenizer.convert_tokens_to_ids("▁<extra_id_0>"))
assert judge.decode(theirs) == said and tokenizer.unk_token_id in ours and "<0x" in tokenizer.decode(theirs)
assert tokenizer.convert_tokens_to_ids("<extra_id_0>") == tokenizer.unk_token_id
# The file that says byte_fallback, read again.
again = folder.parent / "again"
tokenizer.save_pretrained(again)
state = json.loads((again / "tokenizer.json").read_text())
state["model"]["byte_fallback"] = True
(again / "tokenizer.json").write_text(json.dumps(state))
(again / "config.json").write_text(json.dumps({"model_type": "mt5"}))
read = AutoTokenizer.from_pretrained(again)
print("byte_fallback true in tokenizer.json, read by", type(read).__name__, "->", read.convert_ids_to_tokens(read(said, add_special_tokens=False)["input_ids"]))
assert read.unk_token_id in read(said, add_special_tokens=False)["input_ids"]
config = json.loads((again / "tokenizer_config.json").read_text())
(again / "tokenizer_config.json").write_text(json.dumps({**config, "tokenizer_class": "PreTrainedTokenizerFast"}))
generic = AutoTokenizer.from_pretrained(again)
print("the same file, read by the generic class ->", generic.convert_ids_to_tokens(generic(said, add_special_tokens=False)["input_ids"]))
assert generic(said, add_special_tokens=False)["input_ids"] == theirs
print("as seen before")
PY

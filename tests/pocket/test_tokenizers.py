"""xlgen reads the text of the pocket world as the tokenizers that the embedded backbones were pretrained with."""

from pathlib import Path

import pytest

from xlgen.backbones.loading import load
from xlgen.data.tasks import load_task


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["pocket-mt5", "pocket-mbart", "pocket-nllb"])
def test_ids_are_the_librarys_in_every_language(name: str, tmp_path: Path) -> None:
    backbone, task = load(name), load_task("pocket-summaries", tmp_path)
    for code in task.languages:
        texts = [each.source for each in task.examples(code, "validation", 40)]
        theirs = backbone.tokenizer(texts, add_special_tokens=False)["input_ids"]
        assert list(map(backbone.tokenize, texts)) == theirs, code


def test_no_break_spaces_are_the_tokenizers() -> None:
    backbone = load("pocket-mbart")
    text = "Autre nouvelle\u00a0: les ingénieurs"
    assert backbone.decode(backbone.tokenize(text)) == text
    assert backbone.tokenize("a\nb\tc\u2028d") == backbone.tokenize("a b c d")

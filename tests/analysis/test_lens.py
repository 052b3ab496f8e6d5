"""The logit lens: its last layer is the model itself, and every piece has one class."""

from __future__ import annotations

import numpy as np
import pytest
import regex
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlgen.adaptation.base import methods
from xlgen.analysis.forced import forced_states, lens
from xlgen.analysis.lens import CLASSES, Lens, classes_by_script, classes_by_use
from xlgen.backbones.base import Backbone
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample

PAIRS = {
    "th": ("the ship sinks in the port", "เรือจมที่ท่า"),
    "ar": ("a new bridge", "غرق القارب في الميناء"),
    "ja": ("x", "船が沈んだ"),
}


def examples(backbone: Backbone) -> list[EncodedExample]:
    return [
        EncodedExample(backbone.source(backbone.tokenize(a), code), backbone.target(backbone.tokenize(b), code), code)
        for code, (a, b) in PAIRS.items()
    ]


@pytest.mark.spread(4)
@pytest.mark.parametrize("method", ["full", "adapters", "prompt", "lora"])
def test_the_last_layer_is_the_model_s_own_logits(any_backbone: Backbone, method: str) -> None:
    if method == "lora":
        pytest.importorskip("peft")
    methods.build({"method": method}).prepare(any_backbone)
    with torch.no_grad():  # so that what was inserted does something
        for parameter in any_backbone.model.parameters():
            if parameter.requires_grad and method != "full":
                parameter.add_(0.01)
    model = any_backbone.model.eval()
    size = model.config.vocab_size
    given = examples(any_backbone)
    states = forced_states(any_backbone, given)
    # Each piece by itself would be a class of its own; a few of them are enough to tell distributions apart.
    classes = torch.arange(size) % 7
    for example, found in zip(given, states, strict=True):
        tensors = any_backbone.collate([example])
        tensors.pop("labels")
        forced = len(any_backbone.target_prefix(example.language))
        with torch.inference_mode():
            logits = model(**tensors).logits[0, forced:].double()
            mine = any_backbone.decoder_step(1).logits(found[-1]).double()
        assert found.shape[:2] == (3, len(example.target) - forced)
        assert torch.allclose(mine, logits, atol=1e-4)
        shares, count = lens(any_backbone, [example], classes, 100)
        expected = logits.softmax(-1) @ torch.nn.functional.one_hot(classes).double()
        assert torch.allclose(shares[-1, : len(expected)], expected, atol=1e-5)
        assert count.tolist() == [1] * len(expected) + [0] * (100 - len(expected))


def test_lower_layers_go_through_the_final_norm_and_the_head(any_backbone: Backbone) -> None:
    """Computed with the library's own modules, one example at a time."""
    given = examples(any_backbone)
    model = any_backbone.model.eval()
    decoder = model.get_decoder()
    norm = getattr(decoder, "final_layer_norm", None) or decoder.layer_norm
    head, bias = model.get_output_embeddings(), getattr(model, "final_logits_bias", 0.0)
    classes = torch.arange(model.config.vocab_size) % 5
    found, count = lens(any_backbone, given, classes, 3)
    expected = []
    for example in given:
        tensors = any_backbone.collate([example])
        tensors.pop("labels")
        first = len(any_backbone.target_prefix(example.language))
        with torch.inference_mode():
            states = model(**tensors, output_hidden_states=True).decoder_hidden_states[1][0, first : first + 3]
            shares = (head(norm(states)) + bias).double().softmax(-1)
        expected.append(torch.stack([shares[:, classes == each].sum(-1) for each in range(5)], -1))
    assert count.tolist() == [3, 3, 3]
    assert torch.allclose(found[1], torch.stack(expected).mean(0), atol=1e-5)
    assert torch.allclose(found.sum(-1), torch.ones(3, 3, dtype=torch.double))


@pytest.mark.parametrize(
    ("pair", "pieces", "expected"),
    [
        (
            ("en", "th"),
            ["▁the", "เรือ", "▁12", ",", "ш", "<0xE0>", "Aเ", "ๆ"],
            "source target neither neither other neither both target",
        ),
        (("en", "ru"), ["ship", "лодка", "é", "船", "▁"], "source target source other neither"),
        (("zh", "ja"), ["船", "が", "カ", "the"], "both target target other"),
        (("en", "ar"), ["القارب", "١٢", "ship", "हि"], "target neither source other"),
    ],
)
def test_pieces_by_script(pair: tuple[str, str], pieces: list[str], expected: str) -> None:
    found = classes_by_script([*pieces, "<extra_id_0>"], {len(pieces)}, *pair)
    assert [CLASSES[each] for each in found] == [*expected.split(), "neither"]


@given(st.lists(st.text(max_size=6), max_size=20))
def test_every_piece_has_one_class_and_those_without_letters_are_neither(pieces: list[str]) -> None:
    found = classes_by_script(pieces, (), "en", "th")
    for piece, place in zip(pieces, found, strict=True):
        if not regex.search(r"\p{L}", piece):
            assert CLASSES[place] == "neither"
        if regex.search(r"[A-Za-z]", piece) and not regex.fullmatch(r"<0x[0-9A-F]{2}>", piece):
            assert CLASSES[place] in ("source", "both")


def test_one_script_is_told_apart_by_text_alone() -> None:
    with pytest.raises(InputError, match=r"en and fr have the same script.*--corpus"):
        classes_by_script(["the"], (), "en", "fr")
    found = classes_by_use(5, {4}, {0, 2, 4}, {1, 2})
    assert [CLASSES[each] for each in found] == ["source", "target", "both", "other", "neither"]


def test_rows_leave_out_steps_that_no_input_reaches() -> None:
    shares = np.full((2, 3, 5), 0.2)
    rows = Lens("a", "th", "en", "generated", shares, (4, 1, 0), "s").rows()
    assert len(rows) == 2 * 2 and {row["step"] for row in rows} == {1, 2}
    assert sum(rows[0][f"{name}_share"] for name in CLASSES) == pytest.approx(1)

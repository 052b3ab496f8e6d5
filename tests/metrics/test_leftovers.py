import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.leftovers import Leftovers

# before clean-up, after it, (leftover, empty)
TABLE = [
    ("<extra_id_0> un chat", "un chat", (1, 0)),
    ("un<extra_id_56>chat", "un chat", (1, 0)),
    ("un chat <sep>", "un chat", (1, 0)),
    ("<extra_id_0>", "", (1, 1)),
    ("un chat", "un chat", (0, 0)),
    ("extra_id_0 <extra_id_> sep", "extra_id_0 <extra_id_> sep", (0, 0)),
    ("", "", (0, 1)),
    (None, " \n", (0, 1)),
    (None, "<extra_id_1> chat", (1, 0)),
    (None, "chat <unk> noir", (1, 0)),
    (None, "chat <0xF0><0x9F>", (1, 0)),
    ("chat <pad>", "chat", (1, 0)),
    (None, "chat <0xg0> <unknown>", (0, 0)),
]


@pytest.mark.parametrize(("raw", "prediction", "expected"), TABLE)
def test_table(raw: str | None, prediction: str, expected: tuple[int, int]) -> None:
    found = Leftovers().per_example([Example("fr", prediction, raw_prediction=raw)])
    assert (found["leftover_rate"][0], found["empty_rate"][0]) == expected


def test_other_tokens_can_be_given() -> None:
    metric = Leftovers(tokens=("[MASK]",))
    found = metric.per_example([Example("fr", text) for text in ("[MASK]", "M", "<sep>", "<extra_id_3>")])
    assert found["leftover_rate"].tolist() == [1, 0, 0, 1]
    assert metric.signature("fr") == "tokens:<extra_id_N>,<0xNN>,chat-tokens,language-codes,[MASK]"


@pytest.mark.parametrize(
    "token", ["<unk>", "<extra_id_0>", "<0x41>", "<sep>", "<mask>", "<|im_end|>", "[UNK]", "⁇", "</s>", "<0xe2>"]
)
@pytest.mark.parametrize("text", ["le jeton {}", "โทเคน {}", "标记 {}", "رمز {}"])
def test_what_input_or_reference_holds_is_no_leftover(token: str, text: str) -> None:
    said = text.format(token)
    known = [Example("fr", said, (said,)), Example("fr", said, ("x",), input=said), Example("fr", said, ("x",))]
    assert Leftovers().per_example(known)["leftover_rate"].tolist() == [0, 0, 1]


def test_an_empty_token_is_not_found_everywhere() -> None:
    assert Leftovers(tokens=("",)).per_example([Example("fr", "chat")])["leftover_rate"].tolist() == [0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "un ⁇ chat",
            "un <UNK> chat",
            "un [UNK] chat",
            "un chat</s>",
            "<s>un chat",
            "un <0xe2><0x9c> chat",
            "[PAD][PAD]",
        ),
        *("un chat<|im_end|>", "<|eot_id|>", "<｜end▁of▁sentence｜>", "<start_of_turn>un", "[/INST] un", "<</SYS>> un"),
        *(
            "fr_XX un chat",
            "fra_Latn un chat",
            "</s> fr_XX un chat",
            "zh_CN 猫",
            "__fr__ un chat",
            "<2fr> un",
            ">>fra<< un",
        ),
        *("un chat fr_XX", "un chat </s> fra_Latn</s>", "<unused3>", "<madeupword0>", " fr_XX"),
    ],
)
def test_leftovers_of_other_models(text: str) -> None:
    found = Leftovers().per_example(
        [Example("fr", text), Example("fr", "un", raw_prediction=text), Example("fr", text, (text,))]
    )
    assert found["leftover_rate"].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "un chat ?? oui",
            "la locale fr_FR est là",
            "choisir en_US",
            "variable fra_latn",
            "a < b > c",
            "x_XX_y",
            "<b>",
        ),
        *(
            "[1] voir",
            "[unknown]",
            "a | b",
            "<|>",
            "chat_XY",
            "fra_Latno chat",
            "__init__",
            "__main__",
            "[INSTITUT]",
            ">> un <<",
        ),
    ],
)
def test_what_is_text_is_no_leftover(text: str) -> None:
    assert Leftovers().per_example([Example("fr", text)])["leftover_rate"].tolist() == [0]


def test_the_signature_names_what_is_looked_for() -> None:
    signature = Leftovers().signature("fr")
    for name in ("<extra_id_N>", "<0xNN>", "chat-tokens", "language-codes", "⁇", "<UNK>", "[UNK]", "<s>", "<%2Fs>"):
        assert name in signature
    assert Leftovers(tokens=("<|a|>", "b, c")).signature("fr").endswith("codes,<%7Ca%7C>,b%2C%20c")

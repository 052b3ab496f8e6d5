"""What counts as evidence of a language: human text is hardly ever wrong, English for another language is caught."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xlgen.core.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.evidence import CANNOT_TELL, RIGHT, WRONG, by_evidence, prepared
from xlgen.metrics.faults import Faults, find, label_rows
from xlgen.metrics.lid import load_identifier
from xlgen.metrics.near_languages import near
from xlgen.metrics.short_text import RULE, verdicts

ENGLISH = [
    "The mayor opened the new library of the town on Monday and the children were happy about it.",
    "All human beings are born free and equal in dignity and rights, and they should act in a spirit of brotherhood.",
    "The government announced that the new measures would come into force at the beginning of next year.",
]
# Article 1 of the Universal Declaration of Human Rights.
HUMAN = {
    "ms": "Semua manusia dilahirkan bebas dan samarata dari segi kemuliaan dan hak-hak. Mereka mempunyai pemikiran dan"
    " perasaan hati dan hendaklah bertindak di antara satu sama lain dengan semangat persaudaraan.",
    "hr": "Sva ljudska bića rađaju se slobodna i jednaka u dostojanstvu i pravima. Ona su obdarena razumom i sviješću i"
    " trebaju jedna prema drugima postupati u duhu bratstva.",
    "ga": "Saoláitear gach duine den chine daonna saor agus comhionann i ndínit agus i gcearta. Tá bua an réasúin agus"
    " an choinsiasa acu agus ba cheart dóibh gníomhú i dtreo a chéile i spiorad an bhráithreachais.",
    "cy": "Genir pawb yn rhydd ac yn gydradd â'i gilydd mewn urddas a hawliau. Fe'u cynysgaeddir â rheswm a chydwybod,"
    " a dylai pawb ymddwyn y naill at y llall mewn ysbryd cymodlon.",
    "mt": "Il-bnedmin kollha jitwieldu ħielsa u ugwali fid-dinjità u d-drittijiet. Huma mogħnija bir-raġuni u"
    " bil-kuxjenza u għandhom iġibu ruħhom ma' xulxin bi spirtu ta' aħwa.",
    "jv": "Saben uwong kalairake kanthi mardika lan darbe martabat lan hak-hak kang padha. Kabeh pinaringan akal"
    " lan kalbu sarta kaajab anggone pasrawungan siji lan sijine kanthi jiwa sumadulur.",
    "su": "Sakumna jalma gubrag ka alam dunya teh sipatna merdika jeung boga martabat katut hak-hak anu sarua."
    " Maranehna dibere akal jeung hate nurani, campur-gaul jeung sasamana aya dina sumanget duduluran.",
    "eu": "Gizon-emakume guztiak aske jaiotzen dira, duintasun eta eskubide berberak dituztela; eta ezaguera eta"
    " kontzientzia dutenez gero, elkarren artean senide legez jokatu beharra dute.",
}
UNLABELLED = ("zu", "xh", "ig", "ha", "sn", "rw", "mi", "fo")


def labels(example: Example) -> tuple[str, ...]:
    return label_rows(find([example]))[0].labels


@pytest.mark.parametrize("code", HUMAN)
def test_human_text_is_not_wrong_and_english_for_it_is(code: str) -> None:
    assert "wrong-language" not in labels(Example(code, HUMAN[code]))
    for text in ENGLISH:
        assert labels(Example(code, text)) == ("wrong-language",)


@pytest.mark.parametrize("code", UNLABELLED)
def test_english_for_a_language_without_a_label_is_wrong_and_never_ok(code: str) -> None:
    assert load_identifier().code(Language.parse(code)) == ""
    for text in ENGLISH:
        assert labels(Example(code, text)) == ("wrong-language",)
    french = "Le gouvernement a annoncé que les nouvelles mesures entreraient en vigueur au début de l'année prochaine."
    assert "ok" not in labels(Example(code, french))


def test_human_text_in_a_language_without_a_label_is_unknown() -> None:
    zulu = "Bonke abantu bazalwa bekhululekile belingana ngesithunzi nangamalungelo. Bahlanganiswe wumcabango."
    assert labels(Example("zu", zulu)) == ("unknown",)
    assert labels(Example("zu", zulu, (zulu,))) == ("ok",), "a reference says more than identification"


@pytest.mark.parametrize("text", ["1990", "2 500 000", "—", "!!!", "😀😀", "५६७", "٣٤٥", "\u200b"])
@pytest.mark.parametrize("code", ["en", "de", "th", "zu", "zh"])
def test_output_without_letters_is_unknown_and_never_ok(text: str, code: str) -> None:
    for example in (Example(code, text), Example(code, text, (text,))):
        found = labels(example)
        assert "unknown" in found
        assert not {"ok", "wrong-language"} & set(found)


@pytest.mark.parametrize("text", ["XQZV", "NHK", "QWRT ZXCV", "Denver"])
def test_output_that_identification_knows_nothing_of_is_unknown(text: str) -> None:
    assert labels(Example("de", text)) == ("unknown",)
    assert labels(Example("de", text, (text.lower() + ".",), truncated=False)) == ("ok",), "it is the reference"


def test_english_as_the_target_needs_evidence_too() -> None:
    assert labels(Example("en", "XQZV")) == ("unknown",)
    assert labels(Example("en", "Der Bürgermeister")) == ("wrong-language",)
    assert labels(Example("en", "Whatever it is")) == ("ok",)


def test_unknown_is_counted_and_is_no_part_of_ok() -> None:
    examples = [Example("de", "1990"), Example("de", "Die Kinder gingen am Morgen in die Schule."), Example("de", "")]
    found = Faults().per_example(examples)
    assert found["unknown_rate"].tolist() == [1, 0, 0]
    assert found["ok_rate"].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(found["wrong_language_rate"], [np.nan, 0, 0])


@pytest.mark.parametrize(
    ("code", "other"), [("ms", "id"), ("hr", "sr-Latn"), ("bs", "hr"), ("no", "da"), ("nn", "no"), ("zh", "yue")]
)
def test_near_languages_are_near_both_ways(code: str, other: str) -> None:
    assert other in near(code)
    assert code in near(other)
    assert code not in near(code)


def test_indonesian_is_no_evidence_against_malay_and_is_against_german() -> None:
    indonesian = (
        "Wali kota membuka perpustakaan baru kota itu pada hari Senin dan anak-anak sangat senang dengan hal itu."
    )
    assert "wrong-language" not in labels(Example("ms", indonesian))
    assert labels(Example("de", indonesian)) == ("wrong-language",)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("de", "DIE KINDER GINGEN AM MORGEN IN DIE SCHULE UND KAMEN SPÄT NACH HAUSE ZURÜCK."),
        ("fr", "LES ENFANTS SONT ALLÉS À L'ÉCOLE LE MATIN ET SONT RENTRÉS TARD À LA MAISON."),
        ("ru", "ДЕТИ УТРОМ ПОШЛИ В ШКОЛУ И ПОЗДНО ВЕРНУЛИСЬ ДОМОЙ ВМЕСТЕ С РОДИТЕЛЯМИ."),
        ("el", "ΤΑ ΠΑΙΔΙΑ ΠΗΓΑΝ ΤΟ ΠΡΩΙ ΣΤΟ ΣΧΟΛΕΙΟ ΚΑΙ ΓΥΡΙΣΑΝ ΑΡΓΑ ΣΤΟ ΣΠΙΤΙ ΤΟΥΣ."),
        ("tr", "ÇOCUKLAR SABAH OKULA GİTTİLER VE AKŞAM GEÇ SAATTE EVLERİNE DÖNDÜLER."),
        ("es", "LOS NIÑOS FUERON A LA ESCUELA"),
    ],
)
def test_capitals_are_identified_in_lower_case(code: str, text: str) -> None:
    assert labels(Example(code, text)) == ("ok",)
    assert "ok" not in labels(Example(code, "THE CHILDREN WENT TO SCHOOL IN THE MORNING AND CAME HOME LATE AT NIGHT."))


def test_labels_of_another_script_are_no_evidence() -> None:
    amharic = "የከተማው ከንቲባ ሰኞ ዕለት አዲሱን ቤተ መጻሕፍት ከፈቱ ልጆቹም በጣም ተደሰቱ እና ወደ ቤት ተመለሱ ዛሬ"
    assert by_evidence(amharic, Language.parse("am"), [Language.parse("en")], load_identifier()) != WRONG
    chinese = "人人有權享有適當的保護，以對抗任何歧視。"
    assert by_evidence(chinese * 2, Language.parse("zh-Hant"), [], load_identifier()) == RIGHT


def test_addresses_and_codes_are_left_out_of_what_is_identified() -> None:
    text = prepared("Siehe https://www.example.com/the/new/library und @TheMayor #newlibrary, 802.11b, 20 km/h.")
    assert text.split() == ["Siehe", "und", ",", ",", "."]


@pytest.mark.spread(2)
@pytest.mark.parametrize("name", ["swa", "ind", "deu", "tur", "vie", "zho-CN", "arb", "hin"])
def test_human_news_is_wrong_in_at_most_2_percent(shared: Callable[[str], Path], name: str) -> None:
    code = {"swa": "sw", "zho-CN": "zh", "arb": "ar"}.get(name, name)
    lines = [line for line in shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n") if line.strip()]
    english = shared("ntrex128/eng.txt").read_text(encoding="utf-8").split("\n")[::10]
    own = np.array(verdicts([Example(code, line) for line in lines[::2]], load_identifier(), RULE))
    foreign = np.array(verdicts([Example(code, line) for line in english if line.strip()], load_identifier(), RULE))
    assert (own == WRONG).mean() <= 0.02
    assert (foreign == WRONG).mean() >= 0.98
    assert not (foreign == RIGHT).any()


def test_the_references_own_rates_are_recorded() -> None:
    malay = HUMAN["ms"]
    found = Faults().per_example(
        [Example("ms", ENGLISH[0], (malay,)), Example("ms", malay, (ENGLISH[0],)), Example("ms", malay)]
    )
    np.testing.assert_array_equal(found["reference_wrong_language_rate"], [0, 1, np.nan])
    np.testing.assert_array_equal(found["reference_unknown_rate"], [0, 0, np.nan])
    assert np.isnan(CANNOT_TELL)

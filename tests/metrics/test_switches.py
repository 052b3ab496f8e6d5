from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.metrics.switches import switches

TABLE = [
    ("The rompió una mesa", "es", ["The"]),
    ("Los niños fueron to the school por la mañana.", "es", ["to the school"]),
    ("El niño rompió the window ayer", "es", ["the"]),
    ("Le gouvernement a announced the new measures pour les écoles.", "fr", ["announced the new measures"]),
    ("Мэр города открыл the new library в понедельник", "ru", ["the new library"]),
    ("Мэр города открыл 图书馆开放 в понедельник", "ru", ["图书馆开放"]),
    ("市长星期一开放了 a new public library 大家都很高兴。", "zh", ["a new public library"]),
    ("Мэр купил Apple iPhone Pro Max в понедельник", "ru", []),
    ("Gestern lief The Big Lebowski im Kino, was allen gefiel.", "de", []),
    ("The government announced new measures.", "es", []),
    # Wholly English, whatever stands last.
    ("The mayor opened the new library in Berlin", "de", []),
    ("The mayor opened the new library on 3 October 2020", "fr", []),
    # No words of a language.
    (
        "Mehr dazu auf https://www.example.com/the/new/library/of/the/town und bei the.mayor@example.com heute.",
        "de",
        [],
    ),
    ("Die Stadt schreibt #thenewlibrary und @themayorofthetown dazu, sagt sie.", "de", []),
    ("Скорость сети 802.11b равна 11 mbit, а длина 20 km и вес 5 kg, сказал мэр.", "ru", []),
    ("Файл лежит в /usr/share/doc/readme и в config.json на сервере города.", "ru", []),
    # Names of programs, items of lists and borrowed terms are no switch.
    ("Пакет содержит apt-get, dpkg-dev и tcl/tk для системы", "ru", []),
    ("Он написал e-mail и настроил wi-fi дома", "ru", []),
    ("Доступны gzip, deflate, bzip2, tar и zip для сжатия", "ru", []),
    ("Это visual novel для взрослых", "ru", []),
    ("lzop는 gzip과 비슷한 screen을 씁니다", "ko", []),
    ("支持 libgcc、libgomp、libssp 等库", "zh", []),
    ("Det er nødvendigt for at have adgang, for at tillade det og for at nyde det.", "da", []),
    ("Он сказал that he was happy и ушёл", "ru", ["that he was happy"]),
    # Two scripts in one word.
    ("افتتحت المellschaft مكتبة جديدة في المدينة يوم الاثنين", "ar", ["المellschaft"]),
    ("Мэр города открыл библиоteca в понедельник", "ru", ["библиоteca"]),
    ("Der Bürgermeister eröffnete die Bibliотека am Montag", "de", ["Bibliотека"]),
    ("महापौर ने सोमवार को नया पुस्तकlibrary खोला", "hi", ["पुस्तकlibrary"]),
    ("اشترى العمدة الiPhone الجديد يوم الاثنين وgoogle أيضا", "ar", []),
    ("시장은 월요일에 email을 보내고 AI가 답했다고 말했다.", "ko", []),
    ("Мэр отправил email'ом письмо и купил iPhone'ы", "ru", []),
    # Chinese within Japanese.
    ("市長は月曜日に市长星期一开放了新的图书馆と発表した。", "ja", ["市长星期一开放了新的图书馆"]),
    ("彼は我们都很高兴，谢谢你们と言って町の図書館を出た。", "ja", ["我们都很高兴，谢谢你们"]),
    ("市長は月曜日、東京都千代田区永田町の国立国会図書館を開いた。", "ja", []),
    ("", "es", []),
]


@pytest.mark.parametrize(("text", "code", "expected"), TABLE)
def test_table(text: str, code: str, expected: list[str]) -> None:
    found = [text[span.start : span.end] for span in switches(text, code)]
    assert [part.removeprefix("a ") for part in found] == [part.removeprefix("a ") for part in expected]


@pytest.mark.parametrize("code", ["jv", "su", "eu"])
def test_human_text_of_languages_that_identification_knows_little_of_holds_no_switch(code: str) -> None:
    texts = {
        "eu": "Urteak dira litio ustiaketak ezinegona pizten duela, eta herritarrek diote ura baizik ez dutela"
        " eskatzen."
        " Puna ekosistema hagitz idorra da, eta urteetan ez du euririk izan. Galdetu du"
        " Otegiren ustez zer egin behar den.",
        "jv": "Saben Makam pentas mesti akeh wong kang nonton padha jejel riyel. Muga-muga isa gawe buyar manuk emprit"
        " sing ora kapok anggone mangan pari.",
        "su": "Sop guramena raos, palayanan enggal, someah. Restoran beresih. Busna teu merenah, teh, teu saluyu"
        " jeung nu diomongkeun.",
    }
    assert sum(len(text[span.start : span.end]) for text in [texts[code]] for span in switches(text, code)) <= 40


def test_spans_name_the_language_where_a_candidate_has_the_script() -> None:
    assert [span.language for span in switches("Мэр открыл the new library 图书馆开放 вчера", "ru")] == ["en"]
    assert switches("Мэр города открыл 图书馆开放 вчера", "ru")[0].language == ""


def test_whole_sentences_hold_few_switches_and_put_in_words_are_found(shared: Callable[[str], Path]) -> None:
    def lines(name: str) -> list[str]:
        return shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:1997:20]

    for name, code in (("deu", "de"), ("fra", "fr"), ("spa", "es")):
        assert np.mean([bool(switches(line, code)) for line in lines(name)]) <= 0.03, code
        mixed = []
        for line, english in zip(lines(name), lines("eng"), strict=True):
            words = line.split()
            mixed.append(" ".join([*words[:3], *english.lower().split()[1:9], *words[3:]]))
        assert np.mean([bool(switches(text, code)) for text in mixed]) >= 0.85, code


@given(st.text(max_size=60), st.sampled_from(["fr", "th", "zh", "ar", "ja", "ko"]))
@settings(max_examples=100, deadline=None)
def test_spans_lie_within_the_text_and_apart(text: str, code: str) -> None:
    spans = switches(text, code)
    bounds = [bound for span in spans for bound in (span.start, span.end)]
    assert bounds == sorted(bounds)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)

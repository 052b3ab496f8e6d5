"""`xlgen score` through its real entry point: any file of rows gives a table or JSON, bad rows are told and counted."""

import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xlgen
from xlgen.cli import main
from xlgen.core.registry import InputError
from xlgen.scoring.figures import KEYS
from xlgen.scoring.run import score_files

ROWS = [
    {
        "id": "1",
        "language": "fr",
        "prediction": "Le chat dort dans la maison.",
        "references": ["Le chat dort dans la maison.", "Le chat."],
    },
    {"id": "2", "language": "fr", "prediction": "The cat is here.", "references": ["Le chat est ici."]},
    {"id": "1", "language": "th", "prediction": "แมวนอนหลับอยู่ในบ้าน", "references": ["แมวนอนหลับ"]},
    {"id": "2", "language": "th", "prediction": "", "references": ["แมวอยู่ที่นี่"]},
]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit code, standard output, standard error."""

    def score(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["xlgen", "score", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        found = capsys.readouterr()
        assert "Traceback" not in found.err
        return code, found.out, found.err

    return score


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_table_with_a_line_a_language_and_their_mean(run: Run, tmp_path: Path) -> None:
    code, out, err = run(write(tmp_path / "a.jsonl", ROWS), "--metrics", "mlqa,empty_rate")
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["language", "mlqa", "f1", "mlqa", "em", "n"] in lines
    [mean] = [line for line in lines if line[:1] == ["mean"] and len(line) == 4]
    assert mean[-1] == "4"
    assert [line[1] for line in lines if line[:1] == ["th"]][1] == "50.0"


def test_json_has_the_one_shape(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(write(tmp_path / "a.jsonl", ROWS), "--format", "json")
    assert code == 0
    rows = json.loads(out, parse_constant=lambda name: pytest.fail(name))["rows"]
    assert all(tuple(row) == (*KEYS, "metric", "value", "low", "high", "n", "signature") for row in rows)
    found = {(row["language"], row["metric"]): row["value"] for row in rows}
    assert found["fr", "correct_language_rate"] == found["fr", "mlqa_em"] == 50
    assert found["th", "empty_rate"] == 50
    assert found["mean", "empty_rate"] == 25
    assert rows == xlgen.score(ROWS)


def csv_text(separator: str) -> str:
    lines = [["id", "language", "prediction", "references"]]
    lines += [[row["id"], row["language"], row["prediction"], json.dumps(row["references"])] for row in ROWS]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in lines]
    return "".join(separator.join(line) + "\r\n" for line in quoted)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl.gz", "csv.gz", "folder", "stdin", "bom and crlf"])
def test_every_format_gives_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    plain = write(tmp_path / "plain.txt", ROWS).read_bytes()
    if kind in ("csv", "tsv"):
        path.write_text("\ufeff" + csv_text("," if kind == "csv" else "\t"), encoding="utf-8", newline="")
    elif kind.endswith(".gz"):
        path.write_bytes(gzip.compress(csv_text(",").encode() if "csv" in kind else plain))
    elif kind == "folder":
        path.mkdir()
        write(path / "1.jsonl", ROWS[:2])
        write(path / "2.jsonl", ROWS[2:])
    elif kind == "stdin":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(plain)))
        path = Path("-")
    else:
        path = tmp_path / "odd.jsonl"
        path.write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"))
    code, out, err = run(path, "--format", "json", "--metrics", "mlqa,rougeL,lengths")
    assert (code, err) == (0, "")
    assert json.loads(out)["rows"] == xlgen.score(ROWS, ["mlqa", "rougeL", "lengths"])


BAD = [
    '{"id": "1", "language": "fr", "prediction": null}',
    '{"id": "1", "language": "fr", "prediction": NaN}',
    '{"id": "1", "language": "Klingon", "prediction": "x"}',
    '{"id": "1", "language": "fr", "prediction": "x", "references": [3]}',
    '{"id": "1", "language": "fr"',
    "7",
]


def test_bad_rows_are_named_and_counted(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    with path.open("a") as file:
        file.write("\n".join(BAD * 5) + "\n")
    code, out, err = run(path, "--format", "json", "--metrics", "empty_rate")
    assert code == 0
    assert json.loads(out)["rows"] == xlgen.score(ROWS, ["empty_rate"])
    lines = err.splitlines()
    assert lines[0] == f"{path}: 30 bad rows were left out:"
    assert [re.fullmatch(r".*a\.jsonl, line (\d+): .+", line)[1] for line in lines[1:11]] == list(  # type: ignore[index]
        map(str, range(5, 15))
    )
    assert lines[11:] == ["  ... and 20 more"]


@pytest.mark.parametrize(
    ("line", "message"),
    list(zip(BAD, ["null", "a number", "'Klingon'", "each of", "JSON", "object"], strict=True)),
)
def test_strict_stops_at_the_first(run: Run, tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    with path.open("a") as file:
        file.write(f"{line}\n{BAD[0]}\n")
    code, out, err = run(path, "--strict")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}, line 5: ")
    assert message in err
    assert len(err.splitlines()) == 1


@pytest.mark.exhaustive
def test_odd_texts_are_scored(run: Run, tmp_path: Path) -> None:
    odd = ["\u202e\u200fקו", "\x00", "a\u2028b\nc", "x" * 1_000_000, " ", "\ufeff", "[bold]x[/]", "e\u0301" * 9, "١٢٣"]
    rows = [
        {"id": str(n), "language": code, "prediction": text, "references": [text], "input": text, "raw": text}
        for n, text in enumerate(odd)
        for code in ("fr", "th")
    ]
    path = write(tmp_path / "a.jsonl", rows)
    with path.open("a") as file:
        file.write('{"id": "s", "language": "fr", "prediction": "\\ud83d", "references": ["\\udc00 x"]}\n')
        file.write('{"id": "s", "language": "fr", "prediction": "x", "references": []}\n')
    labels = tmp_path / "labels.jsonl"
    code, out, err = run(path, "--format", "json", "--faults", labels)
    assert code == 0
    assert "1 rows repeat the language and id of another; all are scored" in err
    assert "1 rows have lone surrogates, which were replaced by U+FFFD" in err
    found = {(row["language"], row["metric"]): row for row in json.loads(out)["rows"]}
    assert found["fr", "empty_rate"]["n"] == len(odd) + 2
    assert found["fr", "mlqa_em"]["n"] == len(odd) + 1
    written = [json.loads(line) for line in labels.read_text(encoding="utf-8").split("\n") if line]
    assert [row["id"] for row in written] == [row["id"] for row in rows] + ["s", "s"]
    assert all(row["labels"] for row in written)
    assert written[8]["labels"] == ["empty"]


def test_two_systems(run: Run, tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", ROWS)
    second = write(tmp_path / "b.jsonl", [{**row, "prediction": "x"} for row in ROWS[:3]] + [{**ROWS[3], "id": "9"}])
    code, out, err = run(first, "--compare", second, "--format", "json", "--metrics", "mlqa_f1")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert {row["file"] for row in found["rows"]} == {str(first), str(second)}
    assert [row["metric"] for row in found["comparison"]] == ["mlqa_f1"] * 3
    [french] = [row for row in found["comparison"] if row["language"] == "fr"]
    assert (french["first"], french["second"], french["n"]) == (50, 0, 2)
    code, out, _ = run(first, "--compare", second, "--metrics", "mlqa_f1")
    assert "3 pairs" in out
    assert f"1 rows of {second} are not in the other: th 9" in out.replace("\n", " ")
    assert re.search(r"mlqa_f1 +fr +50\.0 +0\.0 +\+50\.0", out)


def test_fields_may_have_other_names(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"lang": "fr", "output": "un chat", "gold": "un chat", "method": "x"}])
    options = ["--field", "language=lang", "--field", "prediction=output", "--field", "reference=gold"]
    code, out, _ = run(path, *options, "--by", "method,language", "--metrics", "mlqa_em", "--format", "json")
    assert code == 0
    [row] = json.loads(out)["rows"]
    assert (row["method"], row["language"], row["value"]) == ("x", "fr", 100)


def test_a_language_for_all_and_one_line_for_all(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prediction": "un chat"}, {"prediction": ""}])
    code, out, _ = run(path, "--language", "French", "--by", "none", "--metrics", "empty_rate", "--bootstrap", "0")
    assert code == 0
    assert ["50.0", "2"] in [line.split() for line in out.splitlines()]


def test_nothing_heavy_is_imported(tmp_path: Path) -> None:
    """In a process of its own, with the default figures."""
    path = write(tmp_path / "a.jsonl", ROWS)
    for arguments in (["--help"], [str(path), "--subset", "no-digits-in-language"]):
        script = (
            f"import atexit, sys; sys.argv = ['xlgen', 'score', *{arguments!r}];"
            "heavy = {'torch', 'transformers', 'datasets', 'accelerate', 'matplotlib', 'scipy', 'pandas'};"
            "atexit.register(lambda: print('heavy:', *sorted(heavy & sys.modules.keys())));"
            "from xlgen.cli import main; main()"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "heavy:"


# -- pairing rows

TEXTS = {
    "th": ["แมวนอนหลับ", "เด็กไปโรงเรียน", "ฝนตกหนัก", "ฉันชอบอ่านหนังสือ"],
    "ar": ["القطة نائمة", "ذهب الطفل", "المطر غزير", "أحب القراءة"],
    "zh": ["猫在睡觉", "孩子去学校", "雨下得很大", "我喜欢读书"],
}


def numbered(start: int | None, *kept: str, right: bool = True, shift: int = 0) -> list[dict[str, Any]]:
    """Rows of each language, with ids from ``start`` or none, and with some other fields."""
    found = []
    for code, texts in TEXTS.items():
        for number, text in enumerate(texts[shift:]):
            row: dict[str, Any] = {"language": code, "prediction": text if right or number % 2 else "x"}
            row |= {"id": str(start + number)} if start is not None else {}
            about = {"references": [text], "input": f"{code} {text}"}
            found.append({**row, **{key: about[key] for key in kept}})
    return found


def compared(run: Run, first: Path, second: Path, *options: str) -> tuple[dict[str, Any], dict[tuple[str, str], int]]:
    """What paired, and the pairs of each figure and language."""
    code, out, _ = run(first, "--compare", second, "--format", "json", "--bootstrap", "0", *options)
    assert code == 0
    found = json.loads(out)
    return found["pairs"], {(row["metric"], row["language"]): row for row in found["comparison"]}


@pytest.mark.spread(10)
@pytest.mark.parametrize("starts", [(0, 1), (1, 0), (0, None), (None, 0), (1, None), (None, None), (1, 1)])
@pytest.mark.parametrize("fields", [(), ("input",), ("references",), ("input", "references")])
def test_row_i_pairs_with_row_i(run: Run, tmp_path: Path, starts: Any, fields: tuple[str, ...]) -> None:
    """Also where `predict` of an older version numbered rows from 1."""
    first = write(tmp_path / "a.jsonl", numbered(starts[0], *fields))
    second = write(tmp_path / "b.jsonl", numbered(starts[1], *fields))
    metric = "mlqa_em" if "references" in fields else "prediction_length"
    pairs, rows = compared(run, first, second, "--metrics", metric)
    assert (pairs["paired"], pairs["only_first"], pairs["only_second"]) == (12, 0, 0)
    assert "different" not in pairs
    assert {row["difference"] for row in rows.values()} == {0}
    differ = {start or 0 for start in starts} == {0, 1}
    assert pairs.get("renumbered") == (["ar", "th", "zh"] if differ else None)


@pytest.mark.parametrize("fields", [("input",), ("references",)])
def test_rows_that_one_file_lacks_do_not_move_the_others(run: Run, tmp_path: Path, fields: tuple[str, ...]) -> None:
    """The second file has no row 0 of any language; its ids are the data's own."""
    first, second = (write(tmp_path / f"{n}.jsonl", numbered(n, *fields, shift=n)) for n in (0, 1))
    pairs, _ = compared(run, first, second, "--metrics", "prediction_length")
    assert (pairs["paired"], pairs["only_first"]) == (9, 3)
    assert pairs["only_first_ids"] == ["th 0", "ar 0", "zh 0"]
    assert "renumbered" not in pairs


def test_a_bad_row_does_not_move_the_others(run: Run, tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", numbered(None, "references"))
    bad = numbered(None, "references")
    bad[5]["prediction"] = None
    second = write(tmp_path / "b.jsonl", bad)
    pairs, rows = compared(run, first, second, "--metrics", "mlqa_em")
    assert (pairs["paired"], pairs["only_first_ids"]) == (11, ["ar 1"])
    assert "different" not in pairs
    assert rows["mlqa_em", "ar"]["n"] == 3
    second.write_text(second.read_text(encoding="utf-8").replace("\n", "\n{\n", 1), encoding="utf-8")
    code, _, err = run(first, "--compare", second)
    assert code == 2
    assert "has rows without ids in several languages, and a bad row of unknown language" in err


def test_a_folder_of_a_file_a_language_pairs_with_one_file(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "step-1"
    folder.mkdir()
    for code in TEXTS:
        rows = [row for row in numbered(0, "references") if row["language"] == code]
        write(folder / f"{code}.jsonl", rows)
    mixed = numbered(None, "references")
    second = write(tmp_path / "b.jsonl", mixed[::4] + mixed[1::4] + mixed[2::4] + mixed[3::4])
    pairs, _ = compared(run, folder, second, "--metrics", "mlqa_em")
    assert pairs["paired"] == 12
    assert "different" not in pairs


def test_pairs_of_one_id_with_different_inputs_are_reported(run: Run, tmp_path: Path) -> None:
    rows = numbered(0, "input")
    first = write(tmp_path / "a.jsonl", rows)
    second = write(tmp_path / "b.jsonl", [*rows[1:3], {**rows[0], "id": "3"}])
    code, out, _ = run(first, "--compare", second, "--metrics", "empty_rate")
    assert code == 0
    assert "1 pairs with equal ids have different inputs or references" in out.replace("\n", " ")


def test_ids_repeat_within_what_the_table_is_by(run: Run, tmp_path: Path) -> None:
    rows = [{**row, "method": method} for method in ("lora", "full") for row in numbered(0, "references")]
    first = write(tmp_path / "a.jsonl", rows)
    other = [{**row, "prediction": "x"} if row["method"] == "full" else row for row in rows]
    second = write(tmp_path / "b.jsonl", other[::-1])
    by = ("--metrics", "mlqa_em", "--by", "method,language")
    _, _, err = run(first, *by)
    assert err == ""
    _, _, err = run(first, "--metrics", "mlqa_em")
    assert "12 rows repeat the language and id of another" in err
    _, _, err = run(write(tmp_path / "c.jsonl", rows * 2), *by)
    assert "24 rows repeat the language, method and id of another" in err
    code, out, _ = run(first, "--compare", second, "--format", "json", *by)
    assert code == 0
    found = json.loads(out)
    assert found["pairs"]["paired"] == 24
    assert {(row["method"], row["difference"]) for row in found["comparison"]} == {("lora", 0), ("full", 100)}
    # Two methods on the same examples, a file each.
    first, second = (
        write(tmp_path / f"{method}.jsonl", [r for r in other if r["method"] == method]) for method in ("lora", "full")
    )
    _, rows_by_figure = compared(run, first, second, *by)
    assert rows_by_figure["mlqa_em", "th"]["difference"] == 100


def test_labels_of_faults_have_the_row_and_its_text(run: Run, tmp_path: Path) -> None:
    path, labels = tmp_path / "a.jsonl", tmp_path / "labels.jsonl"
    write(path, [{"prediction": "x"}, {"prediction": "", "language": "th"}, *numbered(None)])
    code, _, _ = run(path, "--faults", labels)
    assert code == 0
    written = [json.loads(line) for line in labels.read_text(encoding="utf-8").split("\n") if line]
    assert [row["row"] for row in written] == list(range(1, 14))
    assert written[0]["labels"] == ["empty"]
    assert [row["prediction"] for row in written] == ["", *(text for texts in TEXTS.values() for text in texts)]
    assert [(row["language"], row["id"]) for row in written[:3]] == [("th", "1"), ("th", "2"), ("th", "3")]


# -- options of metrics


def test_options_of_metrics(run: Run, tmp_path: Path) -> None:
    rows = [{"language": "en", "prediction": "They jumped.", "references": ["they are jumping"]}]
    path = write(tmp_path / "a.jsonl", rows)

    def found(*options: str) -> dict[str, Any]:
        code, out, _ = run(path, "--format", "json", "--bootstrap", "0", *options)
        assert code == 0
        return {row["metric"]: row for row in json.loads(out)["rows"]}

    plain, stemmed = found(), found("--metric-option", "rouge.use_stemmer=true")
    assert plain["rouge1"]["value"] == 40
    assert stemmed["rouge1"]["value"] == 80
    assert "stem:porter" in stemmed["rougeL"]["signature"]
    options = ("--metric-option", "chrf.word_order=2", "--metric-option", "rouge1.use_stemmer=true")
    chrf = found("--metrics", "rouge1,chrf", *options)
    assert "|nw:2|" in chrf["chrf"]["signature"]
    assert chrf["rouge1"]["value"] == 80
    both = json.loads(run(path, "--compare", path, "--format", "json", "--metric-option", "rouge.use_stemmer=true")[1])
    assert "stem:porter" in next(row for row in both["comparison"] if row["metric"] == "rouge1")["signature"]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("rouge.use_stemer=true", "did you mean 'use_stemmer'"),
        ("rouge.segmenter=words", "metric rouge: segmenter: "),
        ("chrf.word_order=2", "options are given for chrf, which is not among the metrics"),
        ("faults.rule={wrong_below: 3}", "metric faults: rule: wrong_below must be from 0 to 1, not 3"),
        ("word_order=2", "must be METRIC.OPTION=VALUE"),
        ("ruge.use_stemmer=true", "unknown metric 'ruge'"),
    ],
)
def test_wrong_options_of_metrics(run: Run, tmp_path: Path, option: str, message: str) -> None:
    code, out, err = run(write(tmp_path / "a.jsonl", ROWS), "--metric-option", option)
    assert (code, out) == (2, "")
    assert message in err


# -- outputs, references and inputs in files of their own


def lines(path: Path, *texts: str, end: str = "\n") -> Path:
    path.write_bytes("".join(text + end for text in texts).encode())
    return path


@pytest.mark.spread(3)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["out.txt", "out.th", "out.txt.gz"])
def test_lines_of_text(run: Run, tmp_path: Path, name: str, end: str) -> None:
    outputs = ["แมวนอนหลับ", "", "x\u2028y", '"ฝน', " เด็ก"]
    gold = [["แมวนอนหลับ", "แมว"], ["ฝน", ""], ["x\u2028y", "z"], ['"ฝน', "a"], ["b", "เด็ก"]]
    inputs = ["ก", "แมวนอนหลับ", "", "ข", "ค"]
    path = lines(tmp_path / name, *outputs, end=end)
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    files = [lines(tmp_path / f"ref{n}.txt", *(row[n] for row in gold), end=end) for n in (0, 1)]
    source = lines(tmp_path / "src.txt", *inputs)
    labels = tmp_path / "labels.jsonl"
    options = ["--references", files[0], "--references", files[1], "--input", source, "--language", "th"]
    code, out, err = run(path, *options, "--format", "json", "--faults", labels)
    assert (code, err) == (0, "")
    rows = [
        {"language": "th", "prediction": output, "references": texts, "input": text}
        for output, texts, text in zip(outputs, gold, inputs, strict=True)
    ]
    assert json.loads(out)["rows"] == xlgen.score(rows)
    assert xlgen.score(path, language="th", references=files, input=source) == xlgen.score(rows)
    assert [json.loads(line)["prediction"] for line in labels.read_text().split("\n") if line] == outputs


def test_lines_of_text_may_stand_alone_or_beside_rows(run: Run, tmp_path: Path) -> None:
    path = lines(tmp_path / "out.txt", "un chat", "")
    code, out, _ = run(path, "--language", "fr", "--metrics", "empty_rate", "--format", "json")
    assert (code, json.loads(out)["rows"][0]["value"]) == (0, 50)
    two = [{"language": "fr", "output": "un chat"}, {"language": "th", "output": "แมว"}]
    rows = write(tmp_path / "rows.jsonl", two)
    gold = lines(tmp_path / "ref", "un chat", "x")
    options = ["--field", "prediction=output", "--field", "references=gold", "--references", gold]
    code, out, _ = run(rows, *options, "--metrics", "mlqa_em", "--format", "json", "--by", "none")
    assert (code, json.loads(out)["rows"][0]["value"]) == (0, 50)


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("outputs", "references", "message"),
    [
        (["a", "b"], ["a"], "ref.txt has 1 rows, fewer than"),
        (["a"], ["a", "b"], "out.txt has 1 rows, fewer than"),
        (["a", "b"], ["a", "b", ""], "out.txt has 2 rows, fewer than"),
    ],
)
def test_files_of_other_lengths_are_refused(
    run: Run, tmp_path: Path, outputs: list[str], references: list[str], message: str
) -> None:
    first, second = lines(tmp_path / "out.txt", *outputs), lines(tmp_path / "ref.txt", *references)
    code, out, err = run(first, "--references", second, "--language", "fr")
    assert (code, out) == (2, "")
    assert message in err
    code, _, err = run(first, "--references", first, "--input", tmp_path / "absent", "--language", "fr")
    assert code == 2 and "no file" in err


def test_references_are_given_once(run: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    code, _, err = run(path, "--references", lines(tmp_path / "ref.txt", "a", "b", "c", "d"))
    assert code == 2 and "it has the field 'references', and a file is given for that too" in err


def squad_file(path: Path) -> Path:
    qas = [
        {
            "id": "a",
            "question": "ใคร?",
            "answers": [{"text": "แมว", "answer_start": 0}, {"text": "แมวดำ", "answer_start": 0}],
        },
        {"id": "b", "question": "ที่ไหน?", "answers": [{"text": "ในบ้าน", "answer_start": 9}]},
        {"id": "c", "question": "เมื่อไร?", "answers": [], "is_impossible": True},
        {"id": "d", "question": "อะไร?", "answers": [{"text": "นอน", "answer_start": 5}]},
    ]
    gold = {"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "แมวดำนอนในบ้าน", "qas": qas}]}]}
    path.write_text(json.dumps(gold, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def test_answers_by_id_to_the_questions_of_a_squad_file(run: Run, tmp_path: Path) -> None:
    gold = squad_file(tmp_path / "gold.json")
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps({"b": "ในบ้าน", "c": "แมว", "a": "แมวดำ", "z": "x"}, indent=1, ensure_ascii=False))
    options = ("--references", gold, "--language", "th", "--metrics", "squad", "--format", "json")
    code, out, err = run(path, *options)
    assert code == 0
    rows = {row["metric"]: row for row in json.loads(out)["rows"]}
    assert (rows["squad_em"]["n"], rows["squad_em"]["value"]) == (3, pytest.approx(200 / 3))
    assert "gold.json: 1 unanswerable questions are left out" in err
    assert "predictions.json: 1 questions of" in err and "have no prediction, which counts as an empty one" in err
    assert "question z: " in err and "has no such question" in err
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"a": "x", "b": "ในบ้าน", "d": "นอน"}))
    code, out, _ = run(path, "--compare", other, *options)
    assert code == 0
    assert json.loads(out)["pairs"]["paired"] == 3


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        ('["a"]', (), "must be one JSON object of ids and answers, not a list"),
        ('{"a": ', (), "is not valid JSON"),
        ('{"a": null, "b": 3, "d": ["x"]}', (), "has no row that can be scored"),
        ('{"a": "x"}', ("--input", "x.txt"), "answers by id need one file"),
    ],
)
def test_wrong_answers_by_id(
    run: Run, tmp_path: Path, predictions: str, options: tuple[str, ...], message: str
) -> None:
    path, gold = tmp_path / "p.json", squad_file(tmp_path / "gold.json")
    path.write_text(predictions)
    code, _, err = run(path, "--references", gold, "--language", "th", *options)
    assert code == 2
    assert message in err
    code, _, err = run(gold, "--references", path, "--language", "th")
    assert code == 2


def test_two_questions_of_one_id_are_refused(run: Run, tmp_path: Path) -> None:
    gold, path = squad_file(tmp_path / "gold.json"), tmp_path / "p.json"
    data = json.loads(gold.read_text(encoding="utf-8"))
    again = {"id": "b", "question": "Who?", "answers": [{"text": "x", "answer_start": 0}]}
    data["data"].append({"title": "U", "paragraphs": [{"context": "x", "qas": [again]}]})
    gold.write_text(json.dumps(data), encoding="utf-8")
    path.write_text(json.dumps({"a": "x", "b": "y"}))
    code, out, err = run(path, "--references", gold, "--language", "th")
    assert (code, out) == (2, "")
    assert "gold.json has two questions with the id 'b' ('ที่ไหน?'; 'Who?')" in err


def test_two_answers_of_one_id_are_refused(run: Run, tmp_path: Path) -> None:
    gold, path = squad_file(tmp_path / "gold.json"), tmp_path / "p.json"
    path.write_text('{"a": "x", "b": "y", "a": "z"}')
    code, out, err = run(path, "--references", gold, "--language", "th")
    assert (code, out) == (2, "")
    assert "p.json has two values for the id 'a'" in err


def test_csv_with_semicolons(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;language;prediction;truncated;finish_reason\n1;fr;"Le chat; dort";yes;\n2;fr;x;;odd\n')
    code, out, err = run(path, "--metrics", "faults")
    assert (code, out) == (2, "")
    assert "looks separated by semicolons: set `separator` (--separator) to ';'" in err
    code, out, err = run(path, "--metrics", "truncated_rate", "--separator", ";", "--format", "json")
    assert code == 0
    assert [row["value"] for row in json.loads(out)["rows"]] == [100.0]
    assert "a.csv: unknown values for whether an output was truncated were ignored: finish_reason 'odd' (1 rows)" in err
    for name, options in (("a.jsonl", ()), ("a.txt", ("--language", "fr"))):
        code, _, err = run(write(tmp_path / name, ROWS), "--separator", ";", *options)
        assert code == 2
        assert "`separator` (--separator) is for CSV and TSV" in err
    with pytest.warns(UserWarning, match="finish_reason 'odd'"):
        assert xlgen.score(path, ["lengths"], separator=";", bootstrap=0)


@pytest.mark.parametrize("place", ["", "runs/a", "runs/a/predictions"])
def test_a_run_in_place_of_outputs_names_its_predictions(place: str, tmp_path: Path) -> None:
    for step in (20, 100):
        file = tmp_path / "runs" / "a" / "predictions" / f"step-{step}" / "fr.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text('{"language": "fr", "prediction": "un", "references": ["un"]}\n', encoding="utf-8")
    (tmp_path / "runs" / "a" / "metrics.jsonl").write_text('{"event": "start"}\n', encoding="utf-8")
    with pytest.raises(InputError) as error:
        score_files([str(tmp_path / place)])
    assert f"holds a run's files; give the folder of a step's predictions: {file.parent}," in str(error.value)
    assert score_files([str(file.parent)], bootstrap=0)["rows"]

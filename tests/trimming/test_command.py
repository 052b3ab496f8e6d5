"""``xlgen trim``: its choice of tokens, its table, and errors in its input."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import xlgen
from xlgen.backbones.loading import load
from xlgen.backbones.trimming.corpus import read_corpus
from xlgen.backbones.trimming.record import read_record
from xlgen.backbones.trimming.selection import select
from xlgen.backbones.trimming.source import open_source
from xlgen.cli import main
from xlgen.core.registry import InputError

SENTENCES = {"en": "The children went to school in the morning.", "fr": "Les enfants allèrent à l’école le matin."}


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The exit code of a command, and what it prints on both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["xlgen", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def texts(tmp_path: Path) -> str:
    for code, text in SENTENCES.items():
        (tmp_path / f"{code}.txt").write_text(f"{text}\n\n{text} {text}\n", encoding="utf-8")
    return str(tmp_path / "{language}.txt")


def test_table_and_record(texts: str, tmp_path: Path, command: Command) -> None:
    out = tmp_path / "out"
    code, shown, _ = command(
        "trim",
        "pocket-mt5",
        "--languages",
        "en,fr",
        "--corpus",
        texts,
        "--keep",
        "700",
        "--out",
        str(out),
        "--no-speed",
    )
    assert code == 0
    for expected in ("language", "en", "fr", "100.000", "5,102", "700", "parameters", "MiB on disk", str(out)):
        assert expected in shown
    about = json.loads((out / "trim.json").read_text(encoding="utf-8"))
    record = read_record(str(out))
    assert record is not None and len(record.kept) == about["size"] == 700
    assert about["languages"] == ["en", "fr"] and about["texts"] == {"en": 2, "fr": 2}
    assert [row["percent"] for row in about["coverage"]] == [100, 100] and len(about["counts"]["en"]) == 700
    assert about["files"]["model.safetensors"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--keep 50", "the number of special tokens and of single characters"),
        ("--keep 999999", "to 5,102, the size of the vocabulary"),
        ("--keep 700 --coverage 0.9", "exclude each other"),
        ("--coverage 0", "must be a share above 0 and up to 1"),
        ("--languages en,fr,el --corpus {language}.txt", "the corpus has no file"),
        ("--languages en --corpus GERMAN", "holds no text in English (en)"),
        ("--languages en,fr --corpus {lang}.txt", "which may contain {language}"),
        ("--languages en,xx1", "xx1"),
        ("--corpus absent.txt", "the corpus has no file"),
        ("--corpus {name: absent}", "absent"),
        ("--out FULL", "is there already"),
        ("MODEL no-such-model", "no backbone 'no-such-model'"),
    ],
)
def test_wrong_input_is_refused_with_code_2(
    arguments: str, message: str, texts: str, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "de.jsonl").write_text('{"text": "Guten Morgen", "language": "de"}\n', encoding="utf-8")
    options = {"--languages": "en,fr", "--corpus": texts, "--out": str(tmp_path / "out"), "MODEL": "pocket-mt5"}
    name, _, value = arguments.partition(" ")
    if arguments.count("--") == 2:
        options |= dict(zip(arguments.split()[::2], arguments.split()[1::2], strict=True))
    else:
        options[name] = value.replace("FULL", str(tmp_path / "full"))
    options["--corpus"] = options["--corpus"].replace("GERMAN", str(tmp_path / "de.jsonl"))
    model = options.pop("MODEL")
    code, _, error = command("trim", model, *(part for pair in options.items() for part in pair), "--no-speed")
    assert code == 2 and message in error, error
    assert not (tmp_path / "out").exists()


def test_language_that_the_model_lacks_is_refused(texts: str, tmp_path: Path) -> None:
    (tmp_path / "el.txt").write_text("Καλημέρα\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"pocket-mbart does not know Greek \(el\)"):
        xlgen.trim("pocket-mbart", tmp_path / "out", corpus=texts, languages=["en", "el"], speed=False)


def test_trimmed_model_is_not_trimmed_to_a_language_that_it_lost(texts: str, tmp_path: Path) -> None:
    xlgen.trim("pocket-mt5", tmp_path / "one", corpus=texts, languages=["en"], speed=False)
    with pytest.raises(InputError, match=r"trimmed to en, and has no tokens for French \(fr\); trim pocket-mt5"):
        xlgen.trim(tmp_path / "one", tmp_path / "two", corpus=texts, languages=["en", "fr"], speed=False)


def test_rows_of_other_languages_are_skipped(tmp_path: Path) -> None:
    rows = [{"text": "one", "language": "en"}, {"text": "deux", "language": "fra"}, {"text": "drei", "lang": "de"}]
    rows += [{"id": "7", "question": "who", "answers": {"text": ["me", "you"]}}]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    found = list(read_corpus([str(tmp_path / "rows.jsonl")], ["en", "fr"])())
    assert found == [("en", "one"), ("fr", "deux"), ("", "who"), ("", "me"), ("", "you")]
    with pytest.raises(InputError, match="name a corpus"):
        read_corpus([], [])
    (tmp_path / "rows.jsonl").write_text('{"text": "one", "language": "no such"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"rows.jsonl, line 1: "):
        list(read_corpus([str(tmp_path / "rows.jsonl")], [])())


def test_choice_is_by_frequency_and_covers_every_language() -> None:
    source = open_source("pocket-nllb")
    texts = {code: [(code, text)] for code, text in SENTENCES.items()}
    counts, _ = source.count([pair for found in texts.values() for pair in found])
    required = set(select(source.vocabulary, {}, keep=None, coverage=1.0))
    for share in (0.5, 0.9, 1.0):
        kept = select(source.vocabulary, counts, keep=None, coverage=share)
        assert required <= set(kept) and kept == sorted(kept)
        assert all(each[kept].sum() >= share * each.sum() for each in counts.values())
    sizes = [len(select(source.vocabulary, counts, keep=None, coverage=share)) for share in (0.5, 0.9, 1.0)]
    assert sizes == sorted(sizes)
    least = len(select(source.vocabulary, counts, keep=None, coverage=1e-9))
    # A language with a hundred times the text does not displace the other.
    more = {"en": counts["en"] * 100, "fr": counts["fr"]}
    chosen = select(source.vocabulary, more, keep=least + 8, coverage=None)
    assert len(chosen) == least + 8
    shares = [float(each[chosen].sum() / each.sum()) for each in more.values()]
    assert max(shares) - min(shares) < 0.2
    assert select(source.vocabulary, more, keep=least + 8, coverage=None) == chosen


def test_dropped_tokens_leave_no_unknown_text_and_other_languages_are_refused(tmp_path: Path) -> None:
    """Words are spelled in the characters that are always kept."""
    languages, out = ["de", "en", "ru", "th", "zh"], tmp_path / "out"
    corpus = {"name": "pocket", "size": 10}
    found = xlgen.trim("pocket-mbart", out, corpus=corpus, languages=languages, coverage=0.5, speed=False)
    assert [row.language for row in found.coverage] == languages
    for row in found.coverage:
        assert row.unknown == 0 and 50 <= row.percent < 100 and row.tokens_after > row.tokens_before
    backbone = load(str(out))
    assert backbone.trim is not None and backbone.trim.languages == backbone.languages == tuple(languages)
    with pytest.raises(InputError, match=r"does not know French \(fr\); it knows de, en, ru, th, zh"):
        load(str(out), languages=("fr",))

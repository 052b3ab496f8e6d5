"""The shipped tasks of the Hub, on local copies with the layout of their repositories: no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.data.markup import shown
from xlgen.data.readers import DataError, readers
from xlgen.data.tasks import load_task
from xlgen.experiments.plan import load_study


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    from datasets import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(dict(columns)).to_parquet(str(path))


def card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """The head of a README that names configurations and the files of their splits."""
    found = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
        for name, files in configs.items()
    ]
    text = f"---\n{yaml.safe_dump({'configs': found}, sort_keys=False)}---\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def test_wikilingua(tmp_path: Path) -> None:
    folder = tmp_path / "esdurmus" / "wiki_lingua"
    count = 60
    english = [
        {"section_name": ["A", "B"], "document": [f"Do {n}.", "Then."], "summary": [f"{n}.", "B."]}
        for n in range(count)
    ]
    thai = [
        {
            "section_name": ["ก"],
            "document": [f"ทำ {n}"],
            "summary": [" " if n == 7 else f"สรุป {n}"],
            "english_url": [f"https://www.wikihow.com/{n}"],
            "english_section_name": ["A"],
        }
        for n in range(count)
    ]
    parquet(
        folder / "english" / "train-00000-of-00001.parquet",
        {"url": [f"https://www.wikihow.com/{n}" for n in range(count)], "article": english},
    )
    parquet(
        folder / "thai" / "train-00000-of-00001.parquet",
        {"url": [f"https://th.wikihow.com/{n}" for n in range(count)], "article": thai},
    )
    card(folder, {name: {"train": f"{name}/train-*"} for name in ("english", "thai")})
    task = load_task("wikilingua", tmp_path)
    parts = {
        (code, split): task.examples(code, split) for code in ("en", "th") for split in ("train", "validation", "test")
    }
    assert sum(len(found) for (code, _), found in parts.items() if code == "en") == 2 * count
    assert sum(len(found) for (code, _), found in parts.items() if code == "th") == count - 1, "one has no summary"
    for split in ("train", "validation", "test"):
        articles = {example.source.split()[-1] for example in parts["en", split] if example.source != "Then."}
        assert {f"{example.source.split()[-1]}." for example in parts["th", split]} <= articles, "held out together"
    assert len(parts["en", "train"]) > len(parts["en", "validation"]) + len(parts["en", "test"])


def test_xlsum_and_its_headlines(tmp_path: Path) -> None:
    folder = tmp_path / "csebuetnlp" / "xlsum"
    for name, text in (("english", "It rained."), ("chinese_simplified", "下雨了。")):
        for split in ("train", "validation", "test"):
            row = {"id": "1", "url": "u", "title": f"{split} title", "summary": f"{split} summary", "text": text}
            parquet(folder / name / split / "0000.parquet", {key: [value] for key, value in row.items()})
    (chinese,) = load_task("xlsum", tmp_path).examples("zh", "validation")
    assert (chinese.source, chinese.targets) == ("下雨了。", ("validation summary",))
    (english,) = load_task("xlsum-headlines", tmp_path).examples("en", "train")
    assert (english.source, english.targets) == ("It rained.", ("train title",))


def test_squad_to_xquad(tmp_path: Path) -> None:
    row = {"id": "1", "title": "t", "context": "Rain fell.", "question": "What fell?"}
    answers = {"answers": [{"text": ["Rain", "Rain"], "answer_start": [0, 0]}]}
    squad, xquad = tmp_path / "rajpurkar" / "squad", tmp_path / "google" / "xquad"
    columns = {**{key: [value] for key, value in row.items()}, **answers}
    for split in ("train", "validation"):
        parquet(squad / "plain_text" / f"{split}-00000-of-00001.parquet", columns)
    card(squad, {"plain_text": {split: f"plain_text/{split}-*" for split in ("train", "validation")}})
    parquet(
        xquad / "xquad.th" / "validation-00000-of-00001.parquet",
        {**columns, "context": ["ฝนตก"], "question": ["อะไรตก"]},
    )
    card(xquad, {"xquad.th": {"validation": "xquad.th/validation-*"}})
    task = load_task("squad-xquad-hub", tmp_path)
    (train,) = task.examples("en", "train")
    assert (train.source, train.targets) == ("Rain fell. What fell?", ("Rain",))
    for split in ("validation", "test"):
        (test,) = task.examples("th", split)
        assert test.source == "ฝนตก อะไรตก"
    with pytest.raises(DataError, match="split 'train' has only en"):
        task.examples("th", "train")


def test_c4_by_the_paragraph(tmp_path: Path) -> None:
    """The corpus of C's intermediate tuning."""
    import gzip
    import json

    folder = tmp_path / "allenai" / "c4"
    (folder / "multilingual").mkdir(parents=True)
    row = {"text": f"Menu\n{'Une phrase. ' * 20}\n{'Une autre. ' * 20}", "timestamp": "t", "url": "u"}
    with gzip.open(folder / "multilingual" / "c4-fr.tfrecord-00000-of-02048.json.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    card(folder, {"fr": {"train": "multilingual/c4-fr.tfrecord-*.json.gz"}})
    mixing = next(run.recipe for run in load_study("c-figure-2").runs if run.name.startswith("mixing-xlsum"))
    corpus = mixing.stages[0].unlabelled[0].corpus
    found = list(readers.build(corpus, tmp_path).read("fr", "unlabelled"))
    assert [record.fields["text"][:10] for record in found] == ["Une phrase", "Une autre."]


def rows_of(
    folder: Path, config: str, split: str, rows: Sequence[Mapping[str, Any]], classes: Mapping[str, Any]
) -> None:
    """A split of a configuration, some of whose columns are numbers of classes."""
    from datasets import ClassLabel, Dataset, Sequence

    found = Dataset.from_list([dict(row) for row in rows])
    for name, names in classes.items():
        several = isinstance(rows[0][name], list)
        label = ClassLabel(names=list(names))
        found = found.cast_column(name, Sequence(label) if several else label)
    path = folder / config / f"{split}-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    found.to_parquet(str(path))
    card(folder, {config: {split: f"{config}/{split}-*"}})


def test_tags_as_text(tmp_path: Path) -> None:
    """L, Table 10: a sentinel before each word and each tag."""
    row = {"tokens": ["In", "my"], "pos_tags": [0, 1]}
    rows_of(tmp_path / "google" / "xtreme", "udpos.French", "test", [row], {"pos_tags": ["ADP", "PRON"]})
    (found,) = load_task("udpos", tmp_path).examples("fr", "test")
    assert (shown(found.source), tuple(map(shown, found.targets))) == (
        "<extra_id_0>In <extra_id_1>my",
        ("<extra_id_0>ADP <extra_id_1>PRON",),
    )


def test_classes_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "google-research-datasets" / "paws-x"
    row = {"id": 3, "sentence1": "A.", "sentence2": "B.", "label": 1}
    rows_of(folder, "ja", "validation", [row], {"label": ["0", "1"]})
    (cloze,) = load_task("paws-x-cloze", tmp_path).examples("ja", "validation")
    assert (cloze.id, shown(cloze.source), tuple(map(shown, cloze.targets))) == (
        "3",
        "A. <extra_id_0>B.",
        ("<extra_id_0>Yes.",),
    )
    (plain,) = load_task("paws-x", tmp_path).examples("ja", "validation")
    assert (plain.source, plain.targets) == ("paws sentence1: A. sentence2: B.", ("paraphrase",))
    row = {"premise": "A.", "hypothesis": "B.", "label": 2}
    rows_of(tmp_path / "facebook" / "xnli", "sw", "test", [row], {"label": ["entailment", "neutral", "contradiction"]})
    (found,) = load_task("xnli", tmp_path).examples("sw", "test")
    assert (shown(found.source), tuple(map(shown, found.targets))) == ("xnli: premise: A. hypothesis: B.", ("2",))


def test_entities_as_text(tmp_path: Path) -> None:
    row = {"tokens": ["Ada", "in", "Paris"], "ner_tags": [1, 0, 2], "spans": ["PER: Ada", "LOC: Paris"]}
    folder = tmp_path / "unimelb-nlp" / "wikiann"
    rows_of(folder, "fr", "train", [row], {"ner_tags": ["O", "B-PER", "B-LOC"]})
    (found,) = load_task("wikiann", tmp_path).examples("fr", "train")
    assert (shown(found.source), tuple(map(shown, found.targets))) == ("tag: Ada in Paris", ("PER: Ada $$ LOC: Paris",))


def test_pairs_from_the_hub(tmp_path: Path) -> None:
    row = {"id": 3, "sentence1": "A.", "sentence2": "B.", "label": 1}
    rows_of(tmp_path / "google-research-datasets/paws-x", "fr", "test", [row], {"label": ["0", "1"]})
    (found,) = load_task("xglue-paws-x", tmp_path).examples("fr", "test")
    assert (found.id, found.source, found.pair, found.targets) == ("3", "A.", "B.", ("1",))
    names = ["entailment", "neutral", "contradiction"]
    row = {"premise": "雨が降る。", "hypothesis": "晴れ。", "label": 2}
    rows_of(tmp_path / "facebook/xnli", "th", "test", [row], {"label": names})
    (found,) = load_task("xglue-xnli", tmp_path).examples("th", "test")
    assert (found.source, found.pair, found.targets) == ("雨が降る。", "晴れ。", ("contradiction",))
    (cloze,) = load_task("xnli-cloze", tmp_path).examples("th", "test")
    assert (shown(cloze.source), tuple(map(shown, cloze.targets))) == (
        "雨が降る。 <extra_id_0>晴れ。",
        ("<extra_id_0>No.",),
    )
    outputs = load_task("xnli-cloze", tmp_path).outputs
    assert tuple(map(shown, outputs)) == ("<extra_id_0>Yes.", "<extra_id_0>Maybe.", "<extra_id_0>No.")


def test_tags_from_the_hub(tmp_path: Path) -> None:
    names = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
    row = {"tokens": ["Ада", "в", "Париже"], "ner_tags": [1, 0, 5], "spans": ["PER: Ада"]}
    rows_of(tmp_path / "unimelb-nlp/wikiann", "ru", "train", [row], {"ner_tags": names})
    (found,) = load_task("wikiann-tags", tmp_path).examples("ru", "train")
    assert (found.words, found.tags) == (("Ада", "в", "Париже"), ("B-PER", "O", "B-LOC"))
    assert load_task("wikiann-tags", tmp_path).config.labels == tuple(names)
    (text,) = load_task("wikiann-sentinels", tmp_path).examples("ru", "train")
    assert shown(text.source) == "<extra_id_0>Ада <extra_id_1>в <extra_id_2>Париже"
    assert tuple(map(shown, text.targets)) == ("<extra_id_0>B-PER <extra_id_1>O <extra_id_2>B-LOC",)
    row = {"tokens": ["雨", "だ"], "pos_tags": [7, 3]}
    upos = load_task("udpos-tags", tmp_path).config.labels
    rows_of(tmp_path / "google/xtreme", "udpos.Japanese", "test", [row], {"pos_tags": upos})
    (found,) = load_task("udpos-tags", tmp_path).examples("ja", "test")
    assert (found.words, found.tags) == (("雨", "だ"), ("NOUN", "AUX"))


def test_tydiqa_keeps_its_languages_apart_by_their_ids(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"{name}-1-0",
            "context": "Rain.",
            "question": "What?",
            "answers": {"text": ["Rain"], "answer_start": [0]},
        }
        for name in ("english", "finnish")
    ]
    rows_of(tmp_path / "google-research-datasets" / "tydiqa", "secondary_task", "validation", rows, {})
    (found,) = load_task("tydiqa", tmp_path).examples("fi", "test")
    assert (found.id, found.source, found.targets) == ("finnish-1-0", "question: What? context: Rain.", ("Rain",))
    assert found.croppable is not None and found.source[slice(*found.croppable)] == "Rain."
    (cloze,) = load_task("tydiqa-cloze", tmp_path).examples("fi", "validation")
    assert (shown(cloze.source), tuple(map(shown, cloze.targets))) == (
        "Rain. What? <extra_id_0>",
        ("<extra_id_0>Rain",),
    )


def test_mlqa(tmp_path: Path) -> None:
    row = {"id": "7", "title": "t", "context": "下雨。", "question": "什么?"}
    rows = [{**row, "answers": {"text": ["雨"], "answer_start": [1]}}]
    rows_of(tmp_path / "google" / "xtreme", "MLQA.zh.zh", "validation", rows, {})
    (found,) = load_task("mlqa", tmp_path).examples("zh", "validation")
    assert (shown(found.source), tuple(map(shown, found.targets))) == ("question: 什么? context: 下雨。", ("雨",))


def test_mtg_from_local_files(tmp_path: Path) -> None:
    for kind, task, source in (("tg", "mtg-titles", "story: A. title: "), ("sg", "mtg-stories", "story: A. ending: ")):
        file = tmp_path / "mtg" / kind / "de.validation.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text('{"src": "A.", "tgt": "B."}\n', encoding="utf-8")
        (found,) = load_task(task, tmp_path).examples("de", "validation")
        assert (shown(found.source), tuple(map(shown, found.targets))) == (f"{source}<extra_id_0>", ("<extra_id_0>B.",))


def test_wikilingua_of_gem(tmp_path: Path) -> None:
    """Documents and summaries in one language, with GEM's splits; its own targets are English."""
    folder = tmp_path / "GEM" / "gem"
    rows = {
        "english_en": {"source_aligned": {"en": "Do it."}, "target_aligned": {"en": "Done."}},
        "french_fr": {
            "source_aligned": {"fr": "Fais-le.", "en": "Do it."},
            "target_aligned": {"fr": "Fait.", "en": "Done."},
        },
        "thai_th": {"source_aligned": {"th": "ทำ", "en": "Do it."}, "target_aligned": {"th": "เสร็จ", "en": "Done."}},
    }
    for name, row in rows.items():
        for split in ("train", "validation", "test"):
            other = {**row, "source_aligned": dict.fromkeys(row["source_aligned"], " ")}
            columns = {key: [row[key], other[key]] for key in row}
            columns |= {"gem_id": [f"{name}-{split}-0", f"{name}-{split}-1"], "source": ["x"] * 2, "target": ["y"] * 2}
            parquet(folder / f"wiki_lingua_{name}" / split / "0000.parquet", columns)
    task = load_task("wikilingua-gem", tmp_path)
    (french,) = task.examples("fr", "validation")
    assert (french.id, french.source, french.targets) == ("french_fr-validation-0", "Fais-le.", ("Fait.",))
    (thai,) = task.examples("th", "test")
    assert (thai.source, thai.targets) == ("ทำ", ("เสร็จ",))
    (english,) = task.examples("en", "train")
    assert (english.source, english.targets) == ("Do it.", ("Done.",))
    original = load_task("wikilingua", tmp_path).config
    assert (task.config.languages, task.config.max_source_tokens) == (original.languages, original.max_source_tokens)


@pytest.mark.parametrize("name", ["v-table-8", "v-table-10", "v-table-11", "v-preliminary"])
def test_the_recipes_of_vu_et_al_use_gem_s_splits(name: str) -> None:
    assert {run.recipe.stages[-1].task for run in load_study(name).runs} == {"wikilingua-gem"}


def test_local_and_hub_questions_are_scored_alike() -> None:
    """Chirkova et al., Appendix A: only answers without numbers that are identified as the target language."""
    for name in ("squad-xquad", "squad-xquad-hub"):
        assert load_task(name, Path()).config.subset == "no-digits-in-language"
    assert load_task("squad-xquad-mt5", Path()).config.subset is None

"""A small folder with one good file of every kind, and the commands that read them."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml

from malformed.mutate import KEYS
from older import forget_digests
from synthetic import write_run
from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones.loading import load
from xlgen.core.config import load_recipe
from xlgen.experiments.plan import load_study
from xlgen.runs.folder import open_run
from xlgen.runs.rows import write_rows

TEXTS = {"en": "The mayor opened a library.", "th": "นายกเทศมนตรีเปิดห้องสมุด", "fr": "Le maire a ouvert une école."}


@dataclass(frozen=True)
class Target:
    """A command, and the files that it reads; each of them is spoiled in turn."""

    name: str
    argv: tuple[str, ...]
    files: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    """Folders that the command may change: they are put back, and are no loss."""
    stdin: str | None = None
    options: tuple[str, ...] = field(default=())
    """Places in ``argv`` of values of options, which are spoiled too."""


def build(root: Path, checkpoint: Callable[[str], Path]) -> list[Target]:
    """Write the world into ``root``; what to run in it, with paths relative to it."""
    _data(root)
    backbone = checkpoint("mt5")
    _recipes(root, backbone)
    shutil.copytree(backbone, root / "backbone")
    _tokens(root / "backbone")
    for name, method in (("full", "full"), ("adapters", "adapters")):
        folder = root / name / "checkpoints" / "step-1"
        _checkpoint(folder, backbone, method)
        _tokens(folder)
        forget_digests(folder)  # which would find all that is changed before anything is made of it
        about = json.loads((folder / "checkpoint.json").read_text())
        (folder / "checkpoint.json").write_text(json.dumps({**about, "backbone": "backbone"}))
    _resumable(root)
    write_run(root / "study" / "runs" / "one", steps=(200,))
    write_run(root / "study" / "runs" / "two", steps=(200, 400), method="adapters")
    rows = [{"analysis": "overlap", "language": "th", "value": 12.5, "n": 8}]
    write_rows(rows, root / "study" / "analysis" / "overlap.json")
    (root / "study" / "analysis" / "overlap.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>')
    return list(_targets())


def _data(root: Path) -> None:
    root.mkdir(parents=True)
    rows = {
        c: [
            {"id": str(n), "text": t, "title": t[:9], "prediction": t, "references": [t], "language": c}
            for n in range(3)
        ]
        for c, t in TEXTS.items()
    }
    for code, found in rows.items():
        for split in ("train", "test"):
            (root / f"{code}.{split}.jsonl").write_text(
                "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in found)
            )
    flat = [row for found in rows.values() for row in found]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in flat)
    (root / "rows.jsonl").write_text(lines)
    (root / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    for suffix, mark in (("csv", ","), ("tsv", "\t")):
        keys = ("id", "language", "prediction", "text", "title")
        body = "".join(mark.join(row[key] for key in keys) + "\n" for row in flat)  # type: ignore[misc]
        (root / f"rows.{suffix}").write_text(mark.join(keys) + "\n" + body)
    (root / "out.txt").write_text("".join(f"{text}\n" for text in TEXTS.values()))
    (root / "gold.txt").write_text("".join(f"{text}\n" for text in TEXTS.values()))
    answer = {"text": "mayor", "answer_start": 4}
    paragraph = {"context": TEXTS["en"], "qas": [{"id": "q", "question": "Who?", "answers": [answer]}]}
    (root / "gold.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}))
    (root / "answers.json").write_text(json.dumps({"q": "mayor"}))
    for code, text in TEXTS.items():
        (root / f"{code}.txt").write_text("".join(f"{text} {n} {text[n:]}\n" for n in range(9)))
    (root / "corpus.yaml").write_text(yaml.safe_dump({"reader": "lines", "path": "{language}.txt"}))
    (root / "in.jsonl").write_text('{"input": "The mayor opened."}\n{"text": "The mayor."}\n')
    (root / "words.conllu").write_text("1\tThe\t_\tDET\t_\t_\t_\t_\t_\t_\n2\tmayor\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n")
    (root / "words.tsv").write_text("The\tO\nmayor\tB-PER\n\n")


def _tokens(folder: Path) -> None:
    """The files of a tokenizer that earlier versions of the library have written."""
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "</s>", "unk_token": "<unk>"}))
    (folder / "added_tokens.json").write_text("{}")


def _recipes(root: Path, backbone: Path) -> None:
    base = {"languages": ["en"], "source": "{text}", "target": "title", "metrics": ["rougeL"], "main_metric": "rougeL"}
    limits = {"max_source_tokens": 32, "max_target_tokens": 32}
    reader = {"name": "jsonl", "path": "{language}.{split}.jsonl"}
    tasks: dict[str, Any] = {
        "titles": {**base, **limits, "languages": list(TEXTS), "reader": reader},
        "csv": {**base, "reader": {"name": "csv", "path": "rows.csv", "same_file_for_all_splits": True}},
        "tsv": {**base, "reader": {"name": "tsv", "path": "rows.tsv"}},
        "lines": {**base, "target": "text", "reader": {"name": "lines", "path": "out.txt"}},
        "squad": {
            **base,
            "source": "{question} {context}",
            "target": "answers",
            "reader": {"name": "squad", "path": "gold.json"},
        },
        "conllu": {
            **base,
            "kind": "tagging",
            "source": "{tokens:words}",
            "target": "tags",
            "labels": ["DET", "NOUN"],
            "metrics": ["accuracy"],
            "main_metric": "accuracy",
            "reader": {"name": "conllu", "path": "words.conllu"},
        },
        "tagged": {
            **base,
            "kind": "tagging",
            "source": "{tokens:words}",
            "target": "tags",
            "labels": ["O", "B-PER"],
            "metrics": ["accuracy"],
            "main_metric": "accuracy",
            "reader": {"name": "tagged", "path": "words.tsv"},
        },
    }
    for name, task in tasks.items():
        (root / f"{name}.yaml").write_text(yaml.safe_dump({"parallel": True, **task}, allow_unicode=True))
    stage = {
        "task": "titles.yaml",
        "source_languages": ["en"],
        "adaptation": {"method": "layernorm"},
        "training": {"steps": 1, "batch_tokens": 200, "learning_rate": 1e-3},
        "evaluation": {"split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 2, "languages": ["th"]},
    }
    recipe = {"name": "run", "backbone": str(backbone), "data_dir": ".", **stage}
    (root / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    study = {"base": recipe, "runs": {"low": {"training.learning_rate": 1e-4}}, "axes": {"seed": [0, 1]}}
    (root / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def _checkpoint(folder: Path, backbone: Path, method_name: str, config: Any = None) -> None:
    model = load(str(backbone))
    method = methods.build(config or {"method": method_name})
    method.prepare(model)
    task = yaml.safe_load((folder.parents[2] / "titles.yaml").read_text())
    about = store.About(
        1, str(backbone), {"method": method_name}, "titles.yaml", ".", task_config={"name": "titles", **task}
    )
    trained = [parameter for parameter in model.model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam([{"params": trained}], lr=1e-3)
    for parameter in trained:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    resume = {"stream": {"taken": [1], "streams": [[0, 0, 1]]}, "reduction": {}}
    store.save_checkpoint(folder, model, method, about, resume=resume, optimizer=optimizer)


def _resumable(root: Path) -> None:
    """A run that a kill has ended after its first step, and a study with such a run."""
    recipe = load_recipe(str(root / "recipe.yaml"), ["training.steps=2", "evaluation.every=null"])
    folder = open_run(root / "begun", recipe, False)
    _checkpoint(folder.path / "checkpoints" / "step-1", Path(recipe.backbone.name), "layernorm")
    events = [{"event": "start", "step": 0}, {"event": "step", "step": 1, "loss": 2.0}]
    (folder.path / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    folder.set_state(stage=0, step=1, status="running")
    first = load_study(str(root / "study.yaml")).runs[0]
    open_run(root / "plan" / "runs" / first.name, first.recipe, False).set_state(stage=0, step=1, status="running")


def _targets() -> Iterator[Target]:
    yield Target(
        "train",
        ("train", "recipe.yaml", "--out", "out/run"),
        ("recipe.yaml", "titles.yaml", "en.train.jsonl", "th.test.jsonl"),
    )
    begun = (
        "recipe.yaml",
        "metrics.jsonl",
        "state.json",
        "checkpoints/step-1/checkpoint.json",
        "checkpoints/step-1/resume/state.json",
        "checkpoints/step-1/trained.safetensors",
        "checkpoints/step-1/resume/optimizer.safetensors",
    )
    yield Target(
        "resume",
        ("train", "recipe.yaml", "training.steps=2", "evaluation.every=null", "--out", "begun", "--resume"),
        tuple(f"begun/{name}" for name in begun),
        ("begun",),
    )
    yield Target(
        "study", ("study", "study.yaml", "--out", "out/study", "--only", "nothing-is-called-so"), ("study.yaml",)
    )
    for name, weights in (("full", "model"), ("adapters", "trained")):
        place = f"{name}/checkpoints/step-1"
        files = [f"{place}/checkpoint.json", f"{place}/{weights}.safetensors"]
        model = place if name == "full" else "backbone"
        files += [f"{model}/{file}" for file in ("tokenizer.json", *KEYS)]
        yield Target(
            f"predict {name}",
            ("predict", name, "--language", "th", "--input", "in.jsonl", "--output", "out/p.jsonl"),
            (*files, "in.jsonl"),
            options=("th", "in.jsonl"),
        )
        yield Target(
            f"evaluate {name}",
            ("evaluate", name, "--languages", "th", "--max-examples", "1", "--out", "out/e"),
            (*files[:2], "th.test.jsonl"),
            options=("th", "1"),
        )
        yield Target(f"spectra {name}", ("analyze", "spectra", name), (*files[:2], f"{model}/config.json"))
    yield Target("predict stdin", ("predict", "adapters", "--language", "th", "--input", "-"), stdin="in.jsonl")
    yield Target(
        "export",
        ("export", "adapters", "--to", "transformers", "--out", "out/x", "--max-examples", "1"),
        ("adapters/checkpoints/step-1/checkpoint.json",),
        options=("transformers", "1"),
    )
    runs = tuple(
        f"study/runs/{run}/{name}" for run in ("one", "two") for name in ("recipe.yaml", "metrics.jsonl", "state.json")
    )
    predictions = ("study/runs/two/predictions/step-400/th.jsonl", "study/runs/one/predictions/step-200/en.jsonl")
    for name, argv in (
        ("report", ("report", "study")),
        ("selection", ("analyze", "selection", "study")),
        ("query", ("query", "study", "select count(*) from scores, steps, predictions")),
        ("correlation", ("analyze", "correlation", "study")),
    ):
        more = ("study/analysis/overlap.json", "study/analysis/overlap.svg") if name == "report" else ()
        yield Target(name, argv, (*runs, *predictions, *more), options=argv[2:])
    for source in ("rows.jsonl", "rows.jsonl.gz", "rows.csv", "rows.tsv"):
        yield Target(
            f"score {source}",
            ("score", source, "--bootstrap", "10", "--metrics", "rouge1,lengths"),
            (source,),
            options=("10", "rouge1,lengths"),
        )
    yield Target("score stdin", ("score", "-", "--bootstrap", "10"), stdin="rows.jsonl")
    yield Target(
        "score lines",
        ("score", "out.txt", "--references", "gold.txt", "--language", "en", "--bootstrap", "10"),
        ("out.txt", "gold.txt"),
        options=("en",),
    )
    yield Target(
        "score squad",
        ("score", "answers.json", "--references", "gold.json", "--language", "en", "--bootstrap", "10"),
        ("answers.json", "gold.json"),
    )
    yield Target(
        "compare",
        ("score", "rows.jsonl", "--compare", "rows.csv", "--bootstrap", "10", "--faults", "out/f.jsonl"),
        ("rows.jsonl", "rows.csv"),
    )
    for task, data in (
        ("csv", "rows.csv"),
        ("tsv", "rows.tsv"),
        ("lines", "out.txt"),
        ("squad", "gold.json"),
        ("conllu", "words.conllu"),
        ("tagged", "words.tsv"),
        ("titles", "th.test.jsonl"),
    ):
        yield Target(
            f"overlap {task}",
            ("analyze", "overlap", f"{task}.yaml", "--max-examples", "2"),
            (f"{task}.yaml", data),
            options=("2",),
        )
    yield Target("list", ("list", "methods"), options=("methods",))
    sizes = ("--vocab-size", "300", "--width", "8", "--layers", "1", "--heads", "2")
    yield Target(
        "tokenizer",
        ("tokenizer", "corpus.yaml", "--family", "mt5", "--languages", "en,th", *sizes, "--out", "out/t"),
        ("corpus.yaml", "en.txt", "th.txt"),
        options=("mt5", "en,th", "300", "8", "1", "2"),
    )
    # No time, so that nothing is trained: what is wrong has to be said before.
    yield Target(
        "auto",
        ("train", "recipe.yaml", "--auto", "--hours", "0", "--workers", "1", "--out", "out/auto"),
        ("recipe.yaml", "titles.yaml", "en.train.jsonl"),
        options=("0", "1"),
    )
    yield Target(
        "plan",
        ("study", "study.yaml", "--out", "plan", "--dry-run", "--no-measure"),
        ("study.yaml", "titles.yaml", *(f"plan/runs/low/{name}" for name in ("recipe.yaml", "state.json"))),
    )
    few = ("--languages", "en,th")
    yield Target("cka", ("analyze", "cka", "full", "--max-examples", "4", *few), options=("full", "4", "en,th"))
    yield Target("probe", ("analyze", "probe", "full", "--max-examples", "4", *few), options=("full", "4", "en,th"))
    yield Target(
        "lens", ("analyze", "lens", "full", "--max-examples", "1", "--steps", "2", *few), options=("full", "2", "en,th")
    )
    yield Target("prompts", ("analyze", "prompts", "adapters"), options=("adapters",))

"""Bad input through the real entry point: exit code 2, one clear message on standard error, no traceback."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from older import forget_digests
from xlgen.adaptation import checkpoints as store
from xlgen.backbones.loading import load
from xlgen.cli import main
from xlgen.core.config import load_recipe
from xlgen.runs.folder import open_run

# One story in each language: text and title.
ROWS = {
    "th": ("นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่ในกรุงเทพฯ วันจันทร์", "ห้องสมุดแห่งใหม่"),
    "ar": ("افتتح رئيس البلدية مكتبة جديدة في القاهرة يوم الاثنين.", "مكتبة جديدة"),
    "hi": ("महापौर ने सोमवार को दिल्ली में एक नया पुस्तकालय खोला।", "नया पुस्तकालय"),
    "zh": ("市长星期一在北京开放了一座新图书馆。", "新图书馆开放"),
    "ja": ("市長は月曜日、東京で新しい図書館を開いた。", "新しい図書館"),
    "ru": ("Мэр открыл в Москве новую библиотеку в понедельник.", "Новая библиотека"),
}
Command = Callable[..., str]


class Project:
    """A folder with JSONL files in six languages, a task and a recipe over them, all of which a test may spoil."""

    def __init__(self, root: Path, backbone: Path) -> None:
        self.root = root
        self.task: dict[str, Any] = {
            "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"},
            "languages": list(ROWS),
            "source": "{text}",
            "target": "title",
            "max_source_tokens": 40,
            "max_target_tokens": 40,
            "metrics": ["rougeL"],
            "main_metric": "rougeL",
        }
        self.recipe: dict[str, Any] = {
            "backbone": str(backbone),
            "task": str(root / "titles.yaml"),
            "source_languages": ["th", "ru"],
            "data_dir": str(root),
            "training": {"steps": 1, "batch_tokens": 200},
            "evaluation": {"split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
        }
        for code, (text, title) in ROWS.items():
            for split in ("train", "test"):
                rows = [{"id": str(n), "text": text, "title": title} for n in range(4)]
                self.write(code, split, *(json.dumps(row, ensure_ascii=False) for row in rows))
        self.save()

    def write(self, language: str, split: str, *lines: str) -> None:
        (self.root / f"{language}.{split}.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def save(self) -> None:
        for name, content in (("titles", self.task), ("recipe", self.recipe)):
            (self.root / f"{name}.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    @property
    def train(self) -> list[str]:
        return ["train", str(self.root / "recipe.yaml"), "--out", str(self.root / "run")]


@pytest.fixture
def project(tmp_path: Path, checkpoint: Callable[[str], Path]) -> Project:
    return Project(tmp_path, checkpoint("mt5"))


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command that must be refused before any training, and return its one message."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["xlgen", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        found = capsys.readouterr()
        assert caught.value.code == 2, found.err
        messages = found.err.split("error: ")
        assert len(messages) == 2, found.err
        assert "Traceback" not in found.err
        assert "Error(" not in found.err
        assert not found.out
        if "--out" in arguments:
            folder = Path(arguments[arguments.index("--out") + 1])
            assert not list(folder.rglob("step-*"))
            assert all('"event": "step"' not in log.read_text() for log in folder.rglob("metrics.jsonl"))
        return messages[1].strip()

    return run


# -- data


@pytest.mark.parametrize("split", ["train", "test"])
def test_malformed_json_names_file_and_line(project: Project, refused: Command, split: str) -> None:
    good = (project.root / f"th.{split}.jsonl").read_text(encoding="utf-8").splitlines()
    project.write("th", split, good[0], good[1], good[2][:-9])
    project.recipe["evaluation"]["examples"] = 4
    project.save()
    message = refused(*project.train)
    assert f"{project.root}/th.{split}.jsonl, line 3 is not valid JSON" in message
    assert "at column" in message


def test_a_missing_field_is_named_with_those_that_exist(project: Project, refused: Command) -> None:
    project.write("zh", "test", json.dumps({"id": "1", "text": ROWS["zh"][0], "headline": "x"}))
    assert "zh.test.jsonl, line 1: no field 'title'; it has id, text, headline" in refused(*project.train)


@pytest.mark.spread(2)
@pytest.mark.parametrize("value", [3, None, [], "", {"text": "x"}])
def test_a_label_that_is_no_text(project: Project, refused: Command, value: Any) -> None:
    project.write("ru", "train", json.dumps({"text": "x", "title": value}))
    assert "ru.train.jsonl, line 1: field 'title' must be one or several texts" in refused(*project.train)


@pytest.mark.parametrize("lines", [(), ("", "   ")])
def test_an_empty_data_set(project: Project, refused: Command, lines: tuple[str, ...]) -> None:
    project.write("ar", "test", *lines)
    assert "task titles has no examples for language ar, split test" in refused(*project.train)


def test_a_missing_file(project: Project, refused: Command) -> None:
    (project.root / "hi.test.jsonl").unlink()
    message = refused(*project.train)
    assert f"no file {project.root}/hi.test.jsonl (language hi, split test)" in message
    assert "data_dir" in message


def test_text_that_is_not_utf8(project: Project, refused: Command) -> None:
    (project.root / "ru.train.jsonl").write_bytes('{"text": "Мэр", "title": "x"}\n'.encode("cp1251"))
    assert "ru.train.jsonl is not UTF-8 text" in refused(*project.train)


def test_labels_over_the_limit_are_counted(project: Project, refused: Command) -> None:
    rows = [{"text": ROWS["th"][0], "title": "ห้องสมุด " * times} for times in (1, 30, 40, 2)]
    project.write("th", "train", *(json.dumps(row, ensure_ascii=False) for row in rows))
    message = refused(*project.train)
    assert "2 of 8 labels are longer than max_target_tokens 40" in message
    assert "th.train.jsonl, line 3" in message, "the longest is shown"
    assert "too_long_targets" in message, "how to mend it"


def test_nothing_left_after_dropping(project: Project, refused: Command) -> None:
    project.task |= {"max_target_tokens": 2, "too_long_targets": "drop"}
    project.save()
    assert "all 8 labels are over max_target_tokens" in refused(*project.train)


def test_a_batch_too_small_for_an_example(project: Project, refused: Command) -> None:
    message = refused(*project.train[:2], "training.batch_tokens=3", *project.train[2:])
    assert "longer than a whole batch (batch_tokens 3)" in message


# -- recipes


@pytest.mark.spread(12)
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("source_languages=[Rusian]", "Russian"),
        ("evaluation.languages=[zz]", "'zz'"),
        ("source_languages=[fr]", "task titles has no language 'fr'; it has th, ar, hi, zh, ja, ru"),
        ("training.learning_rat=1", "unknown key 'training.learning_rat': did you mean 'learning_rate'"),
        ("trainin.steps=1", "unknown key 'trainin': did you mean 'training'"),
        ("training.steps=many", "training.steps: Input should be a valid integer"),
        ("training.steps", "override 'training.steps' must have the form key=value"),
        ("task=titels", "no task 'titels'"),
        ("task=squad-xqad", "did you mean 'squad-xquad'"),
        ("task=absent.yaml", "cannot read absent.yaml: No such file"),
        ("adaptation=adaptors", "unknown method 'adaptors': did you mean 'adapters'"),
        ("adaptation={method: adapters, rank: 4}", "unknown key 'adaptation.rank'"),
        ("adaptation={name: adapters, nam: full}", "unknown key 'adaptation.nam': did you mean 'name'"),
        ("adaptation={name: adapters, method: full}", "unknown key 'adaptation.method': did you mean 'name'"),
        ("adaptation.metod=full", "a method needs a `name` (see `xlgen list methods`); there is metod"),
        ("adaptation=7", "adaptation: must be a name, or a mapping with a `name` and options"),
        ("adaptation={method: adapters, botleneck: 4}", "did you mean 'bottleneck_dim'"),
        ("adaptation={method: freezing, freeze: [encodr]}", "did you mean 'encoder'"),
        ("unlabelled=[{objective: {name: span}}]", "unknown objective 'span'"),
        ("unlabelled=[{objective: {name: denoising}, corpus: {reader: pockets}}]", "did you mean 'pocket'"),
        ("unlabelled=[{objective: {name: translation, max_token: 3}}]", "did you mean 'max_tokens'"),
        ("backbone=pocket-mt6", "did you mean 'pocket-mt5'"),
        ("training.precision=fp16", "fp16"),
        ("trackers=[tensorbord]", "trackers.0: Input should be 'tensorboard', 'wandb' or 'mlflow' (got 'tensorbord')"),
        ("adaptation=bitfit", "has no bias vectors"),
        ("training.learning_rate=0", "training.learning_rate: Input should be greater than 0"),
        ("unlabelled=[{objective: {name: lm}, rate: 0}]", "unlabelled.0.rate: Input should be greater than 0"),
        ("unlabelled=[{objective: {name: lm}, rate: -0.1}]", "unlabelled.0.rate: Input should be greater than 0"),
        ("unlabelled=[{objective: {name: lm}, rate: 1.01}]", "unlabelled.0.rate: Input should be less than or equal"),
        (
            "unlabelled=[{objective: {name: lm}, corpus: {reader: pocket, size: 2}, rate: 1}]",
            "add up to 1, and nothing is left for the task",
        ),
        ("unlabelled=[{objective: {name: lm}, languages: [ko]}]", "the pocket world has no 'ko'; it has en, "),
        ("adaptation={method: factorized, learn: task}", "put such a stage before this one, or name its run"),
        ("adaptation={method: madx, learn: task}", "put such a stage before this one, or name its run"),
        ("adaptation={method: madx, learn: task, start: nowhere}", "no checkpoint of a stage with `learn: languages`"),
    ],
)
def test_wrong_recipes(project: Project, refused: Command, override: str, expected: str) -> None:
    assert expected in refused(*project.train[:2], override, *project.train[2:])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metrics": ["rougeK"]}, "unknown metric 'rougeK': did you mean 'rouge"),
        ({"reader": {"name": "jsonlines"}}, "did you mean 'jsonl'"),
        ({"reader": {"name": "jsonl"}}, "key 'reader.path' is missing"),
        ({"languages": ["th", "Klingon"]}, "Klingon"),
        ({"sorce": "x"}, "unknown key 'sorce': did you mean 'source'"),
        ({"max_source_tokens": "long"}, "max_source_tokens"),
    ],
)
def test_wrong_tasks(project: Project, refused: Command, changes: dict[str, Any], expected: str) -> None:
    project.task |= changes
    project.save()
    message = refused(*project.train)
    assert expected in message
    assert "titles.yaml" in message or "metric" in message or "Klingon" in message or "jsonl" in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot read"),
        ("a: [1\n", "is not valid YAML"),
        ("- a\n", "must hold keys and values"),
        ("name: é\n".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_wrong_recipe_files(project: Project, refused: Command, content: Any, expected: str) -> None:
    path = project.root / "recipe.yaml"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(*project.train)
    assert expected in message
    assert "recipe.yaml" in message


def test_a_recipe_that_does_not_ship(refused: Command, tmp_path: Path) -> None:
    message = refused("train", "squad-xqad", "--out", str(tmp_path / "run"))
    assert "no recipe 'squad-xqad': did you mean 'squad-xquad'" in message


def test_a_language_that_the_backbone_lacks(
    project: Project, refused: Command, checkpoint: Callable[[str], Path]
) -> None:
    for split in ("train", "test"):
        project.write("el", split, json.dumps({"text": "Ο δήμαρχος", "title": "βιβλιοθήκη"}))
    project.task["languages"].append("el")
    project.recipe["backbone"] = str(checkpoint("mbart"))
    project.save()
    message = refused(*project.train)
    assert "does not know Greek (el); it knows ar, " in message


def test_fp16_where_there_is_a_gpu(project: Project, refused: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused then is the family's; that there is a GPU is simulated."""
    monkeypatch.setattr("xlgen.training.run.mixed_precision", lambda recipe: "no")
    message = refused(*project.train[:2], "training.precision=fp16", *project.train[2:])
    assert "overflow in fp16" in message and "use bf16 or fp32" in message


@pytest.mark.parametrize(
    ("adaptation", "expected"),
    [
        ("{method: prompt, num_virtual_tokens: 500}", "encoder by 343; set num_virtual_tokens to at most 157"),
        ("{method: prefix, num_virtual_tokens: 500}", "decoder by 343; set num_virtual_tokens to at most 157"),
        ("{method: factorized, num_language_tokens: 500}", "encoder by 393"),
    ],
)
def test_a_prompt_beyond_the_positions(
    project: Project, refused: Command, checkpoint: Callable[[str], Path], adaptation: str, expected: str
) -> None:
    project.recipe["backbone"] = str(checkpoint("mbart"))
    project.save()
    message = refused(*project.train[:2], f"adaptation={adaptation}", *project.train[2:])
    assert "pass the 160 positions" in message and expected in message


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (None, "no file {root}/ar.unlabelled.jsonl (language ar, split unlabelled)"),
        ((), "objective lm: the corpus jsonl has no text that fits it in ar; remove them from `languages`"),
        (('{"title": "x"}',), "ar.unlabelled.jsonl, line 1: no field 'text'"),
    ],
)
def test_a_mixing_language_without_text(
    project: Project, refused: Command, lines: tuple[str, ...] | None, expected: str
) -> None:
    project.write("th", "unlabelled", json.dumps({"text": ROWS["th"][0]}))
    if lines is not None:
        project.write("ar", "unlabelled", *lines)
    corpus = {"reader": "jsonl", "path": "{language}.{split}.jsonl"}
    project.recipe["unlabelled"] = [{"objective": {"name": "lm"}, "corpus": corpus, "languages": ["th", "ar"]}]
    project.save()
    assert expected.format(root=project.root) in refused(*project.train)


# -- the output folder


def test_a_folder_that_holds_a_run(project: Project, refused: Command) -> None:
    recipe = load_recipe(str(project.root / "recipe.yaml"))
    open_run(project.root / "run", recipe, resume=False).set_state(stage=0, step=1, status="running")
    assert "already has this run; continue it with `resume` (--resume)" in refused(*project.train)
    message = refused(*project.train[:2], "training.learning_rate=0.5", *project.train[2:], "--resume")
    assert "has another run (its stages.0.training.learning_rate is 0.0001, not 0.5)" in message
    assert "choose another `out` (--out)" in message


def test_a_recipe_that_is_refused_leaves_no_folder(project: Project, refused: Command) -> None:
    for seed in ("1", "2"):
        project.write("th", "train", json.dumps({"text": "x", "title": "ห้องสมุด " * 30}))
        assert "max_target_tokens" in refused(*project.train[:2], f"seed={seed}", *project.train[2:])
        assert not (project.root / "run").exists()


@pytest.mark.spread(4)
@pytest.mark.parametrize("name", ["notes.txt", "recipe.yaml"])
@pytest.mark.parametrize("content", ["mine", "", "recipe", "a: 1", "[1"])
def test_a_folder_with_files_of_ones_own(project: Project, refused: Command, name: str, content: str) -> None:
    (project.root / "run").mkdir()
    (project.root / "run" / name).write_text(content)
    assert "choose another `out` (--out)" in refused(*project.train)
    assert (project.root / "run" / name).read_text() == content, "nothing is overwritten"


@pytest.mark.parametrize("place", ["recipe.yaml", "recipe.yaml/run", "/proc/xlgen-run"])
def test_a_folder_that_cannot_be_written(project: Project, refused: Command, place: str) -> None:
    out = project.root / place
    message = refused("train", str(project.root / "recipe.yaml"), "--out", str(out))
    assert f"cannot write into {out}" in message


def test_no_permission(project: Project, refused: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the refusal is simulated."""

    def mkdir(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    message = refused(*project.train)
    assert "Permission denied" in message
    assert str(project.root / "run") in message


# -- checkpoints


@pytest.fixture
def trained(project: Project) -> Callable[[str], Path]:
    """A checkpoint of the tiny backbone, untrained, as the method called so leaves it."""
    from xlgen.adaptation.base import methods

    def make(method_name: str) -> Path:
        backbone = load(project.recipe["backbone"])
        method = methods.build({"method": method_name})
        method.prepare(backbone)
        about = store.About(
            step=1,
            backbone=project.recipe["backbone"],
            adaptation={"method": method_name},
            task=project.recipe["task"],
            data_dir=str(project.root),
        )
        folder = project.root / "trained" / "checkpoints" / "step-1"
        store.save_checkpoint(folder, backbone, method, about)
        return folder

    return make


def truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.spread(1)
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999])
@pytest.mark.parametrize("method", ["full", "adapters"])
def test_a_truncated_checkpoint(trained: Callable[[str], Path], refused: Command, method: str, share: float) -> None:
    folder = trained(method)
    file = folder / ("model.safetensors" if method == "full" else "trained.safetensors")
    truncate(file, share)
    message = refused("evaluate", str(folder))
    assert "damaged or truncated" in message
    assert str(folder) in message


def test_a_truncated_backbone(project: Project, refused: Command) -> None:
    copy = project.root / "backbone"
    shutil.copytree(project.recipe["backbone"], copy)
    truncate(copy / "model.safetensors")
    project.recipe["backbone"] = str(copy)
    project.save()
    assert "damaged or truncated" in refused(*project.train)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_backbone_with_a_damaged_file(project: Project, refused: Command, name: str) -> None:
    copy = project.root / "backbone"
    shutil.copytree(project.recipe["backbone"], copy)
    truncate(copy / name)
    project.recipe["backbone"] = str(copy)
    project.save()
    assert str(copy) in refused(*project.train)


def test_a_backbone_of_no_family(project: Project, refused: Command) -> None:
    copy = project.root / "backbone"
    shutil.copytree(project.recipe["backbone"], copy)
    (copy / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    project.recipe["backbone"] = str(copy)
    project.save()
    message = refused(*project.train)
    assert "is a 'gpt2' checkpoint" in message
    assert "mbart" in message, "what there are families for"


def test_weights_of_another_family(project: Project, refused: Command, checkpoint: Callable[[str], Path]) -> None:
    copy = project.root / "backbone"
    shutil.copytree(project.recipe["backbone"], copy)
    shutil.copy(checkpoint("mbart") / "model.safetensors", copy)
    project.recipe["backbone"] = str(copy)
    project.save()
    assert "do not fit its config.json" in refused(*project.train)


def test_adapters_of_another_family(
    trained: Callable[[str], Path], refused: Command, checkpoint: Callable[[str], Path]
) -> None:
    folder = trained("adapters")
    about = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**about, "backbone": str(checkpoint("mbart"))}))
    assert "mbart has changed since the checkpoint was trained on it" in refused("evaluate", str(folder))
    forget_digests(folder)
    assert "trained by another method or backbone" in refused("evaluate", str(folder))


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"step": 1}',
    ],
)
def test_a_damaged_description(trained: Callable[[str], Path], refused: Command, content: str) -> None:
    folder = trained("adapters")
    (folder / "checkpoint.json").write_text(content)
    message = refused("evaluate", str(folder))
    assert "checkpoint.json is damaged" in message


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--task", "pocket-sumaries"], "did you mean 'pocket-summaries'"),
        (["--languages", "th,Klingon"], "Klingon"),
        (["--languages", "fr"], "task titles has no language 'fr'"),
        (["--split", "dev"], "no file"),
        (["--data-dir", "/nowhere"], "no file /nowhere/th.test.jsonl"),
        (["--task", "pocket-qa", "--split", "dev"], "the pocket world has no split 'dev'"),
    ],
)
def test_wrong_evaluations(trained: Callable[[str], Path], refused: Command, options: list[str], expected: str) -> None:
    assert expected in refused("evaluate", str(trained("full").parents[1]), *options)


@pytest.mark.parametrize("command", [["evaluate"], ["predict", "--language", "th", "--input", "x"]])
def test_what_is_no_checkpoint(refused: Command, tmp_path: Path, command: list[str]) -> None:
    name, *options = command
    assert "neither a checkpoint nor a run" in refused(name, str(tmp_path), *options)
    absent = refused(name, str(tmp_path / "absent"), *options)
    assert "there is no" in absent and str(tmp_path / "absent") in absent


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no file"),
        (b'{"text": "x"}\n{"text": \n', "in.jsonl, line 2 is not valid JSON"),
        (b'{"title": "x"}\n', "in.jsonl, line 1: no field 'text'; it has title"),
        (b"[1]\n", "in.jsonl, line 1 must be a JSON object"),
        ('{"text": "é"}\n'.encode("latin-1"), "in.jsonl"),
        (b'{"text": "\\ud83d"}\n', "in.jsonl, line 1"),
    ],
)
def test_wrong_inputs_of_ones_own(
    trained: Callable[[str], Path], refused: Command, tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "in.jsonl"
    if content is not None:
        path.write_bytes(content)
    options = ["--language", "th", "--input", str(path), "--output", str(tmp_path / "out.jsonl")]
    assert expected in refused("predict", str(trained("full")), *options)


def test_a_language_to_predict_in_that_nobody_knows(trained: Callable[[str], Path], refused: Command) -> None:
    assert "Tahi" in refused("predict", str(trained("full")), "--language", "Tahi", "--input", "-")


def test_a_folder_without_runs(refused: Command, tmp_path: Path) -> None:
    assert str(tmp_path / "absent") in refused("report", str(tmp_path / "absent"))


# -- outputs to score


@pytest.mark.spread(8)
@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.jsonl", None, [], "no file"),
        ("a.jsonl", "", [], "has no row that can be scored, and 0 that cannot"),
        ("a.jsonl", "{}\n{", [], "has no row that can be scored, and 2 that cannot; the first: "),
        ("a.jsonl", '[{"language": "fr", "prediction": "x"}]', [], "write one object per line"),
        (
            "a.csv",
            "id,prediction\n1,x\n",
            [],
            "line 2: it has no language; give one for all rows with `language`",
        ),
        ("a.xlsx", "x", [], "its name must end in .jsonl"),
        ("a.txt", "x", [], "line 1: it has no language; give one for all rows with `language` (--language)"),
        ("a.jsonl.gz", "x", [], "is not complete gzip data"),
        ("a.jsonl", "good", ["--metrics", "rougel"], "unknown metric 'rougel': did you mean 'rougeL'"),
        ("a.jsonl", "good", ["--subset", "no-digit"], "did you mean 'no-digits-in-language'"),
        ("a.jsonl", "good", ["--subset", "no-digits-in-language"], "is in the subset no-digits-in-language"),
        ("a.jsonl", "good", ["--format", "xml"], "--format must be table or json"),
        (
            "a.jsonl",
            "good",
            ["--input-format", "xml"],
            "`input_format` (--input-format) must be one of jsonl, csv, tsv, tsv-quoted, text, squad, not 'xml'",
        ),
        ("a.jsonl", "good", ["--field", "output"], "must be FIELD=NAME"),
        ("a.jsonl", "good", ["--field", "text=output"], "with FIELD one of id, language, prediction"),
        ("a.jsonl", "good", ["--by", "system"], "it has no 'system' to group by; it has language, prediction"),
        ("a.jsonl", "good", ["--by", "language,n"], "cannot group by 'n'"),
        ("a.jsonl", "good", ["--by", ","], "is empty"),
        ("a.jsonl", "good", ["--compare", "absent.jsonl"], "no file absent.jsonl"),
        ("a.jsonl", "good", ["--faults", "/dev/null/labels.jsonl"], "cannot write /dev/null/labels.jsonl"),
    ],
)
def test_outputs_that_cannot_be_scored(
    refused: Command, tmp_path: Path, name: str, content: str | None, options: list[str], expected: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text('{"language": "fr", "prediction": "un chat"}\n' if content == "good" else content)
    assert expected in refused("score", str(path), *options)


def test_systems_that_share_no_row(refused: Command, tmp_path: Path) -> None:
    for name in ("a", "b"):
        row = {"id": name, "language": "fr", "prediction": "un chat"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row))
    message = refused("score", str(tmp_path / "a.jsonl"), "--compare", str(tmp_path / "b.jsonl"))
    assert "nothing to compare: no row of" in message
    assert "only one file can be standard input" in refused("score", "-", "--compare", "-")


# -- what is refused before the backbone is loaded


@pytest.mark.spread(5)
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "unlabelled=[{objective: {name: lm}, rate: 0.6}, {objective: {name: lm}, rate: 0.6}]",
            "the rates of the unlabelled parts add up to 1.2, and nothing is left for the task",
        ),
        ("unlabelled=[{objective: {name: lm}, rate: 1}]", "add up to 1, and nothing is left for the task"),
        ("unlabelled=[{objective: {name: lms}}]", "did you mean 'lm'"),
        ("unlabelled=[{objective: {name: lm, max_token: 3}}]", "did you mean 'max_tokens'"),
        ("unlabelled=[{objective: {name: lm}, corpus: {reader: pockets}}]", "did you mean 'pocket'"),
        ("unlabelled=[{objective: {name: lm}, languages: [Frensh]}]", "did you mean French"),
        ("evaluation.xlrs={corpus: {reader: pockets}}", "did you mean 'pocket'"),
        ("evaluation.xlrs={languages: [Frensh]}", "did you mean French"),
        ("translate_train={translator: pocket-nlb}", "did you mean 'pocket-nllb'"),
        ("translate_train={translator: pocket-nllb, languages: [Frensh]}", "did you mean French"),
        ("translate_train={translator: pocket-nllb, languages: [ru, th]}", "all are source languages"),
        ("backbone=pocket-mt6", "did you mean 'pocket-mt5'"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_loaded(
    project: Project, refused: Command, monkeypatch: pytest.MonkeyPatch, override: str, expected: str
) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise AssertionError("a backbone is loaded")

    monkeypatch.setattr("xlgen.backbones.loading.load", load)
    for split in ("train", "test"):
        for code in ROWS:
            (project.root / f"{code}.{split}.jsonl").unlink()  # nor is anything read
    assert expected in refused(*project.train[:2], override, *project.train[2:])
    assert not (project.root / "run").exists()


@pytest.mark.parametrize(
    ("languages", "said"),
    [
        (["th", "zh", "zh-Hans"], "'zh' and 'zh-Hans', which are one language (Chinese (simplified), zh)"),
        (["ZH", "th", "zho_Hans"], "'ZH' and 'zho_Hans', which are one language"),
        (["pt-BR", "pt"], "'pt-BR' and 'pt', which are one language"),
        (["th", "th"], "'th' twice"),
    ],
)
def test_a_task_names_each_language_once(project: Project, refused: Command, languages: list[str], said: str) -> None:
    project.task |= {"languages": languages}
    project.save()
    message = refused(*project.train)
    assert said.replace(" (Chinese (simplified), zh)", "") in message and "titles.yaml: languages" in message
    assert "name it once" in message


def test_codes_of_files_may_have_any_spelling_of_a_language_once(project: Project, refused: Command) -> None:
    project.task["reader"] |= {"codes": {"Thai": "tha", "zh-Hans": "chinese"}}
    project.save()
    assert f"no file {project.root}/tha.test.jsonl" in refused(*project.train)
    project.task["reader"] |= {"codes": {"th": "tha", "Thai": "thai"}}
    project.save()
    assert "which are one language (Thai, th); name it once" in refused(*project.train)


def test_a_recipe_s_language_counts_once(project: Project) -> None:
    from xlgen.data.tasks import load_task

    task = load_task(str(project.root / "titles.yaml"), project.root)
    assert task.check_languages(("zh", "ZH", "th", "zh-Hans")) == ("zh", "th")

"""Recipes: how YAML is read, how overrides apply, and what is said about a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.core.config import Recipe, load_recipe, validate
from xlgen.core.shipped import find_recipe, find_task
from xlgen.core.yaml_config import RecipeError, override, override_keys, parse_yaml, read_yaml

BASE: dict[str, Any] = {"name": "run", "backbone": "pocket-mt5", "task": "pocket-summaries"}


# -- scalars


@pytest.mark.parametrize("word", ["no", "No", "NO", "on", "off", "yes", "y", "n", "Off", "1.2.3", "e5", "fr"])
def test_words_stay_words(word: str) -> None:
    assert parse_yaml(f"language: {word}", "here") == {"language": word}
    assert parse_yaml(f"[{word}, x]", "here")[0] == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("3E5", 3e5),
        ("-1e+2", -100.0),
        ("1.5e-4", 1.5e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("0.1", 0.1),
        ("-.inf", float("-inf")),
        ("7", 7),
        ("-3", -3),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("[no, fr]", ["no", "fr"]),
    ],
)
def test_numbers_and_truth(text: str, value: Any) -> None:
    found = parse_yaml(text, "here")
    assert found == value
    assert type(found) is type(value)


@given(st.floats(min_value=1e-12, max_value=1e12))
def test_every_way_python_writes_a_float_is_a_number(value: float) -> None:
    assert parse_yaml(repr(value), "here") == value
    assert parse_yaml(f"{value:e}", "here") == pytest.approx(value, rel=1e-5)


def test_broken_yaml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("a: 1\nb: [1, 2\nc: 3\n")
    with pytest.raises(RecipeError, match=r"bad\.yaml is not valid YAML[\s\S]*line 3"):
        read_yaml(path)


def test_a_recipe_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes("name: é".encode("latin-1"))
    with pytest.raises(RecipeError, match="UTF-8"):
        read_yaml(path)
    with pytest.raises(RecipeError, match="cannot read"):
        read_yaml(tmp_path / "absent.yaml")


# -- overrides


@given(st.text("abc=", min_size=0, max_size=8))
def test_an_override_splits_at_its_first_equals_sign(value: str) -> None:
    assert override({}, [f"source='{value}'"]) == {"source": value}


@pytest.mark.parametrize(
    ("data", "assignment", "expected"),
    [
        ({}, "a.b.c=1", {"a": {"b": {"c": 1}}}),
        ({"a": {"b": 1}}, "a.c=no", {"a": {"b": 1, "c": "no"}}),
        ({"a": None}, "a.b=1", {"a": {"b": 1}}),
        ({"stages": [{"x": 1}, {"x": 2}]}, "stages.1.x=3", {"stages": [{"x": 1}, {"x": 3}]}),
        ({"languages": ["fr"]}, "languages=[en, no]", {"languages": ["en", "no"]}),
        ({"languages": ["fr", "de"]}, "languages.0=en", {"languages": ["en", "de"]}),
        ({"adaptation": "full"}, "adaptation.rank=4", {"adaptation": {"name": "full", "rank": 4}}),
        ({"backbone": "b"}, "backbone.init=random", {"backbone": {"name": "b", "init": "random"}}),
        ({"report_as": "x"}, "report_as=", {"report_as": None}),
    ],
)
def test_overrides(data: dict[str, Any], assignment: str, expected: dict[str, Any]) -> None:
    before = repr(data)
    assert override(data, [assignment]) == expected
    assert repr(data) == before, "the given data must not change"


@pytest.mark.parametrize(
    ("data", "assignment", "message"),
    [
        ({}, "training.steps", "key=value"),
        ({}, "=3", "key=value"),
        ({"stages": [{}]}, "stages.1.task=x", "no index into a list of 1"),
        ({"stages": [{}]}, "stages.first.task=x", "no index"),
        ({"name": "run"}, "name.sub=x", "'name' has no keys"),
        ({}, "a=[1", "override 'a=\\[1' is not valid YAML"),
    ],
)
def test_wrong_overrides(data: dict[str, Any], assignment: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        override(data, [assignment])


def test_later_overrides_win_and_keys_work_as_well() -> None:
    assert override({}, ["a.b=1", "a.b=2"]) == override_keys({}, {"a.b": 2}) == {"a": {"b": 2}}


# -- recipes


def test_a_recipe_of_one_stage_may_be_flat() -> None:
    flat = validate(Recipe, {**BASE, "training": {"steps": 5}, "adaptation": "adapters"}, "here")
    staged = {"task": BASE["task"], "training": {"steps": 5}, "adaptation": {"method": "adapters"}}
    assert flat == validate(Recipe, {"name": "run", "backbone": {"name": "pocket-mt5"}, "stages": [staged]}, "here")
    # The resolved recipe, which a run keeps, reads back as itself.
    assert Recipe.model_validate(flat.model_dump(mode="json")) == flat


def test_a_recipe_cannot_be_changed() -> None:
    recipe = validate(Recipe, BASE, "here")
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"learning_rat": 1}}, r"unknown key 'training.learning_rat': did you mean 'learning_rate'"),
        ({"trainning": {}}, "unknown key 'trainning': did you mean 'training'"),
        ({"evaluation": {"beams": 4}}, "did you mean 'num_beams'"),
        ({"backbone": {"nam": "x"}}, "key 'backbone.name' is missing"),
        ({"unlabelled": [{"objectiv": {}}]}, "did you mean 'objective'"),
        ({"training": {"steps": 0}}, "training.steps: .*greater than or equal to 1.*got '0'"),
        ({"training": {"learning_rate": "fast"}}, "training.learning_rate: .*number.*got 'fast'"),
        ({"training": {"schedule": "cubic"}}, "training.schedule: .*inverse_sqrt"),
        ({"source_languages": []}, "source_languages"),
        ({"task": None}, "needs a `task`"),
        ({"adaptation": {"rank": 4}}, "needs a `name`"),
        ({"stages": []}, "stages: .*at least 1"),
        ({"unlabelled": [{"objective": {"name": "lm"}, "rate": 0}]}, "unlabelled.0.rate: .*greater than 0"),
        ({"unlabelled": [{"objective": {"name": "lm"}, "rate": 1.5}]}, "unlabelled.0.rate: .*less than or equal to 1"),
    ],
)
def test_wrong_recipes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s)^my.yaml is invalid.*{message}"):
        validate(Recipe, {**BASE, **changes}, "my.yaml")


def test_a_stage_key_beside_stages_says_where_to_write_it() -> None:
    data = {"name": "run", "backbone": "b", "stages": [{"task": "t"}], "training": {"steps": 1}}
    with pytest.raises(RecipeError, match=r"stages\.0\.training"):
        validate(Recipe, data, "here")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RecipeError) as caught:
        validate(Recipe, {**BASE, "seeed": 1, "training": {"steps": -1}}, "here")
    assert len(str(caught.value).splitlines()) == 3


# -- finding


def test_recipes_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("backbone: pocket-mt5\ntask: pocket-titles\n")
    assert load_recipe(str(path)).name == "own"
    assert load_recipe(str(path), ["seed=3", "name=other"]).seed == 3
    # A folder that happens to be called like a shipped recipe does not hide it.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "squad-xquad").mkdir()
    assert find_recipe("squad-xquad").name == "squad-xquad.yaml"
    assert find_recipe("squad-xquad").is_absolute()


@pytest.mark.parametrize("find", [find_recipe, find_task])
def test_unknown_names_get_the_nearest(find: Any) -> None:
    with pytest.raises(RecipeError, match="did you mean 'squad-xquad'"):
        find("squad-xqad")


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", ""])
def test_a_recipe_must_hold_keys(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match="must hold keys and values"):
        load_recipe(str(path))
    with pytest.raises(RecipeError):
        load_recipe(str(path), ["seed=1"])


# -- old spellings, and names that stand for mappings


@pytest.mark.parametrize(
    ("old", "new", "value"), [("accumulation", "gradient_accumulation_steps", 4), ("clip_norm", "max_grad_norm", 0.5)]
)
def test_old_keys_still_work(old: str, new: str, value: float, tmp_path: Path) -> None:
    """In a file, in an override over either spelling, and in Python."""
    for written in (old, new):
        path = tmp_path / f"{written}.yaml"
        path.write_text(f"backbone: pocket-mt5\ntask: pocket-summaries\ntraining: {{{written}: {value}}}\n")
        assert getattr(load_recipe(str(path)).stages[0].training, new) == value
        for overriding in (old, new):
            recipe = load_recipe(str(path), [f"training.{overriding}=2"])
            assert getattr(recipe.stages[0].training, new) == 2
    stages = [{"task": "pocket-summaries", "training": {old: value}}]
    recipe = validate(Recipe, {"name": "run", "backbone": "pocket-mt5", "stages": stages}, "here")
    assert getattr(recipe.stages[0].training, new) == value
    assert new in recipe.stages[0].training.model_dump()
    changed = override_keys({"stages": stages}, {f"stages.0.training.{old}": 3})
    assert changed["stages"][0]["training"] == {new: 3}


def test_both_spellings_of_a_key_are_an_error() -> None:
    with pytest.raises(RecipeError, match="'clip_norm' is the old name of 'max_grad_norm'"):
        validate(Recipe, {**BASE, "training": {"clip_norm": 1.0, "max_grad_norm": 1.0}}, "here")


@pytest.mark.parametrize(
    ("given", "assignment", "wanted"),
    [
        ({"baseline": "lead"}, "baseline.tokens=32", {"name": "lead", "tokens": 32}),
        ({"penalty": "l2_sp"}, "penalty.weight=0.1", {"name": "l2_sp", "weight": 0.1}),
        ({"adaptation": "adapters"}, "adaptation.bottleneck_dim=8", {"name": "adapters", "bottleneck_dim": 8}),
        ({"evaluation": {"control": "tags"}}, "evaluation.control.labels=[a]", {"name": "tags", "labels": ["a"]}),
    ],
)
def test_overrides_reach_into_a_plugin_given_by_its_name(given: Any, assignment: str, wanted: Any) -> None:
    recipe = validate(Recipe, override({**BASE, **given}, [assignment]), "here")
    stage = recipe.stages[0]
    (key,) = given
    found = stage.evaluation.control if key == "evaluation" else getattr(recipe if key == "baseline" else stage, key)
    assert found.model_dump(mode="json", exclude_unset=True) == wanted
    assert override({"search": {"policy": "grid"}}, ["search.policy.rates=[1]"])["search"]["policy"]["name"] == "grid"


def test_two_names_of_a_plugin_are_an_error() -> None:
    with pytest.raises(RecipeError, match="adaptation: 'method' is the old name of 'name'; remove one of the two"):
        load_recipe({**BASE, "adaptation": {"name": "adapters", "method": "full"}})


@pytest.mark.parametrize("kind", ["objective", "corpus"])
def test_overrides_reach_into_plugins_of_unlabelled_text(kind: str) -> None:
    text = {"objective": "lm", "corpus": "pocket"}
    key = {"objective": "max_tokens", "corpus": "size"}[kind]
    data = override({**BASE, "unlabelled": [text]}, [f"unlabelled.0.{kind}.{key}=7"])
    (found,) = validate(Recipe, data, "here").stages[0].unlabelled
    assert getattr(getattr(found, kind), key) == 7


def test_an_adaptation_can_be_given_by_name_too() -> None:
    recipe = validate(Recipe, {**BASE, "adaptation": {"name": "adapters", "bottleneck_dim": 8}}, "here")
    old = validate(Recipe, {**BASE, "adaptation": {"method": "adapters", "bottleneck_dim": 8}}, "here")
    for found in (recipe, old):
        options = found.stages[0].adaptation
        assert options.model_dump(exclude_unset=True) == {"name": "adapters", "bottleneck_dim": 8}
    (penalty,) = (stage.penalty for stage in validate(Recipe, {**BASE, "penalty": "l2_sp"}, "here").stages)
    assert penalty is not None and penalty.name == "l2_sp"

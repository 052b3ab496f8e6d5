"""Checkpoints of others, or damaged ones: no model answers from them as if nothing were wrong."""

import copy
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from older import forget_digests
from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import methods
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import WeightsError
from xlgen.backbones.loading import load
from xlgen.core.config import Sampling
from xlgen.core.registry import InputError
from xlgen.decoding.decode import generate
from xlgen.decoding.settings import Decoding
from xlgen.runs.checkpoint_description import About, read_about
from xlgen.runs.checkpoints import find_checkpoint, remove_unneeded
from xlgen.runs.resume_state import check_reduction, check_stream

WRONG = [None, True, "x", -1, 3.5, 10**400, float("nan"), [], ["x"], {}, {"x": 1}, "\ud800", "\0"]
Make = Callable[..., Path]


@pytest.fixture
def make(checkpoint: Callable[[str], Path], tmp_path: Path) -> Make:
    """A checkpoint of a tiny backbone, untrained, with what a run would resume from."""

    def make(method_name: str = "full", name: str = "mt5") -> Path:
        backbone = load(str(checkpoint(name)))
        method = methods.build({"method": method_name})
        method.prepare(backbone)
        optimizer = optimizer_of(backbone)
        for parameter in trained(backbone):
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        folder = tmp_path / "run" / "checkpoints" / "step-1"
        resume = {"stream": {"taken": [1], "streams": [[0, 0, 1]]}, "reduction": {}}
        about = About(1, str(checkpoint(name)), {"method": method_name}, "pocket-summaries", ".")
        store.save_checkpoint(folder, backbone, method, about, resume=resume, optimizer=optimizer)
        return folder

    return make


def trained(backbone: Backbone) -> list[torch.nn.Parameter]:
    return [parameter for parameter in backbone.model.parameters() if parameter.requires_grad]


def optimizer_of(backbone: Backbone) -> torch.optim.Optimizer:
    return torch.optim.Adam(trained(backbone), lr=1e-3)


def changed(data: Any, wrong: Any) -> Iterator[Any]:
    """``data`` with ``wrong`` in place of each of its values in turn, at any depth, and without each of its keys."""
    if isinstance(data, dict | list):
        for key in list(data) if isinstance(data, dict) else range(len(data)):
            for inner in changed(data[key], wrong):
                whole = copy.copy(data)
                whole[key] = inner
                yield whole
            less = copy.copy(data)
            del less[key]
            yield less
    yield wrong


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def spoil(file: Path, value: float) -> None:
    weights = load_file(file)
    name = sorted(name for name, tensor in weights.items() if tensor.is_floating_point())[0]
    weights[name].view(-1)[-1] = value
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.spread(2)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:12])
def test_any_wrong_type_in_what_a_checkpoint_says_is_an_error_that_names_it(make: Make, wrong: Any) -> None:
    folder = make("adapters")
    file = folder / "checkpoint.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    whole["head"] = {"kind": "tagging", "labels": ["A", "B"]}
    for bad in changed(whole, wrong):
        file.write_text(json.dumps(bad), encoding="utf-8")
        try:
            found = read_about(folder)
        except InputError as error:
            assert str(file) in str(error)
        else:
            assert isinstance(found.step, int)
            assert isinstance(found.adaptation["name"], str)
            assert 0 <= found.seed < 2**32


@pytest.mark.spread(2)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:12])
def test_any_wrong_type_in_what_a_run_resumes_from_is_an_error_that_names_it(make: Make, wrong: Any) -> None:
    folder = make("layernorm")
    backbone, method, _ = store.load_checkpoint(folder)
    method.prepare(backbone)
    forget_digests(folder)
    file = folder / "resume" / "state.json"
    whole = json.loads(file.read_text(encoding="utf-8"))
    whole["reduction"] = {"factor": 0.5, "best": 3.0, "bad": 1}
    for bad in changed(whole, wrong):
        file.write_text(json.dumps(bad), encoding="utf-8")
        optimizer = optimizer_of(backbone)
        try:
            store.load_resume(folder, optimizer, 1)
        except InputError as error:
            assert str(folder) in str(error)
        else:
            optimizer.step()
    file.write_text(json.dumps(whole), encoding="utf-8")
    assert store.load_resume(folder, optimizer, 1)["stream"]["taken"] == [1]


@pytest.mark.spread(2)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["optimizer", "rng"])
def test_tensors_that_a_run_cannot_resume_from(make: Make, name: str, value: float) -> None:
    folder = make("layernorm")
    backbone, method, _ = store.load_checkpoint(folder)
    method.prepare(backbone)
    file = folder / "resume" / f"{name}.safetensors"
    tensors = load_file(file)
    key = sorted(tensors)[0]
    save_file({**tensors, key: torch.full((3,), value)}, file)
    with pytest.raises(BackboneError, match="cannot be resumed from"):
        store.load_resume(folder, optimizer_of(backbone), 1)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        [],
        {"taken": [1]},
        {"taken": [1], "streams": [[0, 0]]},
        {"taken": [-1], "streams": [[0, 0, 0]]},
        {"taken": [True], "streams": [[0, 0, 0]]},
    ],
)
def test_a_place_in_other_data_is_refused(saved: Any) -> None:
    with pytest.raises(InputError, match="place in the data"):
        check_stream(saved, 1)


@pytest.mark.parametrize(
    "saved", [None, [], {"factor": 1}, {"factor": 2, "best": 1, "bad": 0}, {"factor": 0.5, "best": "x", "bad": 0}]
)
def test_an_invalid_state_of_the_plateau_is_refused(saved: Any) -> None:
    with pytest.raises(InputError, match="plateau"):
        check_reduction(saved)


def test_a_copy_next_to_the_checkpoints_is_not_a_checkpoint(make: Make) -> None:
    folder = make()
    shutil.copytree(folder, folder.with_name("step-24.bak"))
    assert find_checkpoint(folder.parents[1]) == folder
    remove_unneeded(folder.parents[1], 1)
    assert folder.with_name("step-24.bak").exists()


@pytest.mark.spread(1)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(("method", "file"), [("full", "model"), ("adapters", "trained"), ("lora", "adapter_model")])
def test_weights_that_are_not_finite(make: Make, method: str, file: str, value: float) -> None:
    folder = make(method)
    spoil(folder / f"{file}.safetensors", value)
    with pytest.raises(BackboneError, match=r"not finite: .* holds NaN or infinity"):
        store.load_checkpoint(folder)


@pytest.mark.covering(1)
@pytest.mark.parametrize("value", [1e9, -1e30, 3e38])
@pytest.mark.parametrize(("method", "file"), [("full", "model"), ("adapters", "trained"), ("lora", "adapter_model")])
def test_weights_that_are_larger_than_any_models(make: Make, method: str, file: str, value: float) -> None:
    folder = make(method)
    spoil(folder / f"{file}.safetensors", value)
    with pytest.raises(WeightsError, match=r"are too large: .* holds .*, and no model has weights over 1e\+08"):
        store.load_checkpoint(folder)


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", ["mt5", "mbart", "nllb", "bert", "xlm-roberta"])
def test_a_model_whose_weights_are_all_zero(checkpoint: Callable[[str], Path], tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(checkpoint(name), tmp_path / name)
    zero = {key: torch.zeros_like(tensor) for key, tensor in load_file(folder / "model.safetensors").items()}
    save_file(zero, folder / "model.safetensors", metadata={"format": "pt"})
    for weights in ("fp32", "bf16"):
        with pytest.raises(WeightsError, match="are all zero where its embeddings should be"):
            load(str(folder), encoder_only=True, weights=weights)


@pytest.mark.covering(1)
@pytest.mark.parametrize("decoding", [{}, {"num_beams": 2}, {"sampling": Sampling()}, {"engine": "transformers"}])
@pytest.mark.parametrize("factor", [0.0, 9e7, float("nan")])
def test_states_that_no_token_is_chosen_by(
    backbone_of: Callable[[str], Backbone], decoding: dict[str, Any], factor: float
) -> None:
    """Of weights that look like a model's one by one."""
    backbone = backbone_of("mt5")
    sources = [backbone.source(backbone.tokenize("The mayor."), "en")]
    generate(backbone, sources, ["en"], Decoding(max_new_tokens=2, **decoding))
    norms = [p for name, p in backbone.model.named_parameters() if name.endswith("layer_norm.weight")]
    for norm in norms:
        norm.data.mul_(factor)
    if factor == 9e7:
        for parameter in backbone.model.parameters():
            parameter.data.mul_(factor)
    with pytest.raises(WeightsError, match="the states of the decoder are not finite, or all zero"):
        generate(backbone, sources, ["en"], Decoding(max_new_tokens=2, **decoding))


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    ("name", "key"), [("mt5", "num_layers"), ("mt5", "num_decoder_layers"), ("mbart", "encoder_layers")]
)
def test_layers_that_the_config_does_not_name(make: Make, name: str, key: str) -> None:
    folder = make("full", name)
    edit(folder / "config.json", **{key: 1}, **({"num_hidden_layers": 1} if key == "encoder_layers" else {}))
    for weights in ("fp32", "bf16"):
        with pytest.raises(BackboneError, match=r"do not fit its config\.json: .* are of layers that it does not have"):
            store.load_checkpoint(folder, weights=weights)


@pytest.mark.spread(2)
@pytest.mark.parametrize("value", [10**12, 0, -1, "2", 2.5, True, None])
@pytest.mark.parametrize("key", ["num_layers", "num_heads", "vocab_size", "d_model"])
def test_sizes_that_no_model_has(make: Make, key: str, value: Any) -> None:
    folder = make()
    edit(folder / "config.json", **{key: value})
    with pytest.raises(BackboneError, match=str(folder)):
        store.load_checkpoint(folder)


@pytest.mark.parametrize("value", [[], [1], "x", 3])
def test_a_config_that_is_no_object(make: Make, value: Any) -> None:
    folder = make()
    (folder / "config.json").write_text(json.dumps(value))
    with pytest.raises(BackboneError, match=r"config\.json cannot be read: .* must hold a JSON object"):
        store.load_checkpoint(folder)


def test_a_checkpoint_without_its_tokenizer_does_not_answer(make: Make) -> None:
    folder = make()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(BackboneError, match="has no file of its tokenizer's vocabulary"):
        store.load_checkpoint(folder)


@pytest.mark.parametrize("method", ["full", "adapters"])
def test_the_tokenizer_of_another_model(
    make: Make, checkpoint: Callable[[str], Path], tmp_path: Path, method: str
) -> None:
    folder = make(method)
    place = folder
    if method == "adapters":  # whose tokenizer is the backbone's
        place = tmp_path / "backbone"
        shutil.copytree(checkpoint("mt5"), place)
        edit(folder / "checkpoint.json", backbone=str(place))
    forget_digests(folder)
    state = json.loads((place / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = state["model"]["vocab"]
    vocabulary[300], vocabulary[301] = vocabulary[301], vocabulary[300]
    (place / "tokenizer.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(BackboneError, match=r"is not the one that .* was trained with"):
        store.load_checkpoint(folder)


def test_a_checkpoint_of_an_earlier_version_has_no_digest(make: Make) -> None:
    folder = make()
    about = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))
    assert len(about.pop("tokenizer")) == 32 and about.pop("format") == 1
    (folder / "checkpoint.json").write_text(json.dumps(about))
    assert store.load_checkpoint(folder)[2].tokenizer is None


def test_nothing_in_a_checkpoint_runs_code(make: Make, tmp_path: Path) -> None:
    """A module that the configuration tells the library to import; it would write a file."""
    folder = make()
    mark = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\nclass Own: pass\n")
    own = {"AutoConfig": "own.Own", "AutoTokenizer": ["own.Own", "own.Own"], "AutoModelForSeq2SeqLM": "own.Own"}
    edit(folder / "config.json", auto_map=own)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", "own.Own"]})
    forget_digests(folder)
    try:
        store.load_checkpoint(folder)
    except BackboneError as error:
        assert str(folder) in str(error)
    assert not mark.exists()


@pytest.mark.spread(2)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("decoder_start_token_id", 10**9),
        ("decoder_start_token_id", -1),
        ("eos_token_id", 10**9),
        ("layer_norm_epsilon", 1e9),
        ("layer_norm_epsilon", 0),
        ("relative_attention_num_buckets", 10**9),
        ("relative_attention_max_distance", 0),
        ("num_labels", 10**8),
    ],
)
def test_numbers_that_no_model_has(make: Make, key: str, value: float) -> None:
    folder = make()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, key: value}), encoding="utf-8")
    with pytest.raises(BackboneError, match=f"cannot be read: {key} is .*, and must be"):
        store.load_checkpoint(folder)


@pytest.mark.parametrize("dtype", [torch.int8, torch.bool])
def test_weights_that_are_whole_numbers(make: Make, dtype: torch.dtype) -> None:
    folder = make()
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="are damaged"):
        store.load_checkpoint(folder)

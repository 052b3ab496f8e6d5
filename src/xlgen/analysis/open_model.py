"""Open models for analysis: an embedded backbone, a Hub id, a folder, a run or a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method, methods, no_adaptation
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.weights import Weight, weights_of
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.arguments import argument
from xlgen.core.config import ParallelText, Recipe, validate
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.readers import readers
from xlgen.evaluation.xlrs_tracking import read_parallel
from xlgen.representations.states import layer_means
from xlgen.runs.checkpoint_description import check_own_files, read_about
from xlgen.runs.checkpoints import find_checkpoint
from xlgen.runs.folder import recipe_in
from xlgen.runs.paths import RunPaths, has_checkpoints, stage_of_checkpoint


def open_model(name: str, languages: tuple[str, ...] = (), allow_unknown: bool = False) -> tuple[Backbone, Method]:
    """Open the backbone ``name``, or the checkpoint (for a run, the newest) in the folder ``name``, with its method.

    A plain backbone gets the method ``full``, which adds nothing to it. Raises BackboneError.
    """
    folder = Path(name)
    if has_checkpoints(folder):
        backbone, method, _ = store.load_checkpoint(find_checkpoint(folder), languages)
        return backbone, method
    backbone = loading.load(name, languages=languages, allow_unknown=allow_unknown, encoder_only=True)
    backbone.model.eval()
    return backbone, no_adaptation()


def languages_of(texts: ParallelText, languages: Sequence[str], data_dir: Path, backbone: Backbone) -> tuple[str, ...]:
    """The requested languages, or else those that the texts name, or the corpus has, or the backbone knows."""
    asked = tuple(languages) or texts.languages or tuple(getattr(texts.corpus, "codes", ()))
    if not asked:
        asked = readers.build(texts.corpus, data_dir).languages() or backbone.languages
    return tuple(dict.fromkeys(Language.parse(text).code for text in asked))


def represent(
    name: str,
    texts: ParallelText,
    languages: Sequence[str] = (),
    data_dir: Path | None = None,
    allow_unknown: bool = False,
) -> LayerStates:
    """The encoder states of the model ``name`` for parallel sentences, at every layer.

    Raises:
        BackboneError: if the model cannot be opened or does not know a language.
        DataError: if the sentences are not parallel, or a language has none.
        InputError: if states are not finite.
    """
    data_dir = data_dir or Path()
    backbone, method = open_model(name)
    codes = languages_of(texts, languages, data_dir, backbone)
    texts = texts.model_copy(update={"languages": codes})
    found = read_parallel(texts, backbone, codes, codes[0], data_dir, allow_unknown, where=argument("texts"))
    states = {}
    for code, inputs in found.inputs.items():
        method.set_language(backbone, code)
        states[code] = layer_means(backbone, inputs).numpy()
    lengths = {code: [len(each.source) for each in inputs] for code, inputs in found.inputs.items()}
    return LayerStates(name, found.ids, states, lengths)


def read_prompts(names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The language prompts in the runs and checkpoints ``names``, by language: (tokens, width). Loads no backbone.

    Raises BackboneError if there are none, and InputError if a language has two.
    """
    found: dict[str, NDArray[np.float32]] = {}
    origins: dict[str, str] = {}
    for name in names:
        folder = find_checkpoint(Path(name))
        about = read_about(folder)
        method = methods.options(about.adaptation).build()
        try:
            prompts = method.language_prompts(folder, _languages_of_run(folder))
        except InputError:
            raise  # InputError is a ValueError too
        except (OSError, ValueError, KeyError, TypeError, StopIteration, SafetensorError) as error:
            raise BackboneError(f"the prompts in {folder} are damaged or truncated ({error})") from None
        check_own_files(folder, about)
        for code, vectors in prompts.items():
            if code in found:
                raise InputError(f"two prompts of {code}: in {origins[code]} and in {name}")
            found[code], origins[code] = vectors.float().numpy(), name
    return found


def _languages_of_run(checkpoint: Path) -> tuple[str, ...]:
    """The languages of the unlabelled text that a checkpoint was trained on; empty if it had labels, or if unknown."""
    run, index = stage_of_checkpoint(checkpoint)
    try:
        file = RunPaths(run).recipe_file
        recipe = validate(Recipe, recipe_in(file), str(file))
    except (OSError, InputError):
        return ()
    if index >= len(recipe.stages):
        return ()
    text = recipe.stages[index].unlabelled if recipe.stages[index].task is None else ()
    return tuple(dict.fromkeys(Language.parse(code).code for part in text for code in part.languages))


def read_weights(name: str) -> tuple[list[Weight], bool]:
    """The named weights of the model ``name``, and whether its method has added modules that they do not include.

    Added modules are merged into the weights if possible (LoRA). Raises BackboneError.
    """
    backbone, method = open_model(name)
    separate = method.adds_modules
    if separate:
        try:
            method.merge(backbone)
            separate = False
        except InputError:
            pass  # adapters and prompts are separate from the weights, which are then the pretrained ones
    found = weights_of(backbone.model, backbone.weight_names, method.pretrained_name if separate else None)
    if not found:
        raise InputError(f"{name}: no weight has a known name; they are defined in the family's `projections`")
    for weight in found:
        if not weight.tensor.isfinite().all():
            raise InputError(f"{name}: {weight.name} is not finite (NaN or infinite); the checkpoint has diverged")
    return found, separate

"""Run models on a task's parallel examples to collect states for probes, and the decoder's logit lens."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xlgen.analysis.forced import forced_states, lens
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.lens import GENERATED, REFERENCE, Lens, classes_by_script, classes_by_use
from xlgen.analysis.open_model import open_model
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.readers import readers
from xlgen.data.tasks import Task
from xlgen.decoding.control.vocabulary_mask import ids_in_use
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.representations.pairing import check_pairing, check_same_ids, check_texts
from xlgen.representations.states import layer_means


@dataclass(frozen=True)
class ChosenTexts:
    """The examples of a task to run a model on."""

    task: Task
    languages: tuple[str, ...] = ()
    """If empty, all languages of the task."""
    split: str = "validation"
    examples: int = 50
    """Maximum number of examples per language."""
    allow_unknown: bool = False
    """Whether to allow languages that the backbone does not know, if its family has no language codes."""

    def read(self, backbone: Backbone) -> dict[str, list[LabelledExample]]:
        """The examples by language. Raises InputError or BackboneError if task or backbone lack a language."""
        codes = self.task.check_languages(self.languages) if self.languages else self.task.languages
        backbone.check_languages(codes, self.allow_unknown)
        return {code: self.task.examples(code, self.split, self.examples) for code in codes}


def states_of(name: str, chosen: ChosenTexts) -> dict[str, LayerStates]:
    """The states of the model ``name`` on parallel inputs and their references, by part.

    ``encoder`` is the mean over input tokens. Models with a decoder also have ``decoder``, the mean over the tokens of
    the reference under teacher forcing, and ``decoder start``, the state that predicts the first token after the forced
    prefix. Raises DataError if inputs are not parallel, InputError if states are not finite, and the errors of
    :func:`open_model`.
    """
    backbone, method = open_model(name)
    if not backbone.can_encode_targets(chosen.task.config.kind):
        raise BackboneError(
            f"{name} cannot read the references of {chosen.task.config.name}: it has no decoder. Probe only its "
            f"encoder, on parallel text, {argument('texts')}; or, if it has a head, on the head's task, "
            f"{argument('task')}"
        )
    examples = chosen.read(backbone)
    check_pairing(chosen.task, chosen.split, examples)
    ids = {code: [example.id for example in found] for code, found in examples.items()}
    check_same_ids(ids, f"task {chosen.task.config.name}: the examples")
    check_texts(examples, f"task {chosen.task.config.name}, split {chosen.split}")
    sets: dict[str, JsonObject] = {}
    lengths: dict[str, dict[str, list[int]]] = {}
    for code, found in examples.items():
        method.set_language(backbone, code)
        encoded = _encoded(backbone, found, chosen.task)
        parts = {"encoder": layer_means(backbone, encoded)}
        sizes = {"encoder": [len(each.source) for each in encoded]}
        if backbone.decodes:
            forced = forced_states(backbone, encoded)
            parts["decoder"] = torch.stack([states.mean(1) for states in forced], 1)
            parts["decoder start"] = torch.stack([states[:, 0] for states in forced], 1)
            sizes["decoder"] = sizes["decoder start"] = [len(each.target) for each in encoded]
        for part, states in parts.items():
            sets.setdefault(part, {})[code] = states.numpy()
            lengths.setdefault(part, {})[code] = sizes[part]
    return {part: LayerStates(name, next(iter(ids.values())), of, lengths[part], part) for part, of in sets.items()}


def lenses(
    name: str, chosen: ChosenTexts, source: str, steps: int, corpus: JsonMapping | None = None
) -> Iterator[Lens]:
    """The logit lens on the decoder of the model ``name``, for each language except ``source``.

    Yields the lens on generated text, then on the reference. ``corpus`` is unlabelled text that assigns tokens to
    languages; if None, scripts do. Raises the errors of :func:`states_of`, BackboneError for a model without a decoder,
    and InputError for two languages with the same script.
    """
    backbone, method = open_model(name)
    if not backbone.decodes:
        raise BackboneError(f"{name} has no decoder, which the lens needs")
    by_language = chosen.read(backbone)
    by_language.pop(source, None)
    if not by_language:
        raise InputError(
            f"the lens needs a language other than the source, {source}; add some with {argument('languages')}"
        )
    tables = {code: _classes(backbone, source, code, corpus, chosen.task.data_dir) for code in by_language}
    for code, found in by_language.items():
        method.set_language(backbone, code)
        encoded = _encoded(backbone, found, chosen.task)
        given = {GENERATED: _generated(backbone, encoded, steps), REFERENCE: encoded}
        for text, forced in given.items():
            shares, count = lens(backbone, forced, tables[code], steps)
            if not shares.isfinite().all():
                raise BackboneError(f"{name}: the states of the decoder in {code} are not finite (NaN or infinite)")
            signature = f"lens:norm+head|pieces:{'text' if corpus else 'script'}|inputs:{len(forced)}|decoding:greedy"
            yield Lens(name, code, source, text, shares.numpy(), tuple(count.tolist()), signature)


def _encoded(backbone: Backbone, examples: Sequence[LabelledExample], task: Task) -> list[EncodedExample]:
    backbone.cache_tokens(example.source for example in examples)
    config = task.config
    found = []
    for example in examples:
        encoded, _ = backbone.encode(example, config.max_source_tokens)
        limit = backbone.target_limit(config.max_target_tokens)
        found.append(EncodedExample(encoded.source, encoded.target[:limit], encoded.language))
    return found


def _generated(backbone: Backbone, examples: Sequence[EncodedExample], steps: int) -> list[EncodedExample]:
    """The examples with the model's own outputs as targets."""
    sources, languages = [each.source for each in examples], [each.language for each in examples]
    found = hypotheses(backbone, sources, languages, Decoding(max_new_tokens=steps))
    return [
        EncodedExample(each.source, (*backbone.target_prefix(each.language), *best[0].tokens), each.language)
        for each, best in zip(examples, found, strict=True)
    ]


def _classes(backbone: Backbone, source: str, target: str, corpus: JsonMapping | None, data_dir: Path) -> Tensor:
    """The class of each token, with shape (vocabulary,)."""
    tokenizer, size = backbone.tokenizer, backbone.model.config.vocab_size
    special: Collection[int] = {*backbone.text.special, *tokenizer.get_added_vocab().values()}
    known = min(size, len(tokenizer))
    special = {*special, *range(known, size)}
    if corpus is not None:
        reader = readers.build(dict(corpus), data_dir)
        used = [ids_in_use(backbone, reader, code) for code in (source, target)]
        return torch.tensor(classes_by_use(size, special, *used))
    pieces = [*tokenizer.convert_ids_to_tokens(list(range(known))), *[""] * (size - known)]
    return torch.tensor(classes_by_script(pieces, special, source, target))

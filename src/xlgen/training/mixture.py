"""Make the training batches of a stage: from a labelled task, from unlabelled text with an objective, or from both."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe, Stage, Unlabelled
from xlgen.core.languages import Language
from xlgen.core.progress import SILENT, Progress
from xlgen.core.registry import InputError
from xlgen.data.batches import BatchStream, Part
from xlgen.data.examples import EncodedExample, LabelledExample, Record
from xlgen.data.objectives import Objective, ObjectiveOptions, Passage
from xlgen.data.readers import UNLABELLED, DataError, Reader
from xlgen.data.tasks import Task, interleave
from xlgen.data.templates import field
from xlgen.evaluation.coverage import Coverage, measure, measure_examples
from xlgen.training.translate_train import translated

log = logging.getLogger(__name__)

_SAMPLED = 2_000
"""Number of unlabelled texts on which the coverage of a language by the vocabulary is measured."""
_MANY = 20_000
"""Number of texts from which tokenizing takes seconds, and progress is shown."""


@dataclass(frozen=True)
class DataReport:
    """What was cropped, dropped or unknown when the labelled examples were tokenized."""

    examples: int
    cropped_sources: int
    cropped_tokens: int
    dropped_targets: int
    cut_targets: int
    unknown_share: float
    labels_with_newlines: int
    """Newlines in labels become spaces; see ``line_separator`` in tasks."""


class TrainingData(NamedTuple):
    """The training data of a stage."""

    stream: BatchStream
    report: DataReport | None
    """Statistics of the labelled examples; None without a task."""
    coverage: dict[str, dict[str, Coverage]]
    """Coverage by the vocabulary, by kind of text (``labelled``, ``unlabelled``) and language."""


def build_stream(
    recipe: Recipe,
    stage: Stage,
    task: Task | None,
    backbone: Backbone,
    *,
    place: Path | None = None,
    progress: Progress = SILENT,
) -> TrainingData:
    """Make the endless stream of a stage's batches, with statistics. Raises DataError and InputError.

    ``place`` is the stage's folder, in which translations are saved.
    """
    progress.say("reading and tokenizing the training data")
    parts, report, coverage = [], None, {}
    if task is not None:
        examples, report, coverage["labelled"] = labelled(stage, task, backbone, place=place, progress=progress)
        name, languages = task.config.name, tuple(dict.fromkeys(example.language for example in examples))
        parts.append(Part(f"task {name}", len(examples), lambda i, epoch: examples[i], task=name, languages=languages))
    corpora = _Corpora(progress)
    for number, unlabelled in enumerate(stage.unlabelled):
        parts.append(_unlabelled(unlabelled, recipe, backbone, number=number, corpora=corpora))
    texts: dict[str, list[str]] = {}
    for (_, code), passages in corpora.items():
        texts.setdefault(code, []).extend(passage.text for passage in passages[:_SAMPLED])
    if texts:
        coverage["unlabelled"] = measure(texts, backbone)
    training = stage.training
    stream = BatchStream(parts, recipe.seed, training.batch_tokens, training.max_examples, training.mix_by)
    return TrainingData(stream, report, coverage)


def labelled(
    stage: Stage, task: Task, backbone: Backbone, *, place: Path | None = None, progress: Progress = SILENT
) -> tuple[list[EncodedExample], DataReport, dict[str, Coverage]]:
    """The task's tokenized training examples, with statistics.

    Raises DataError if labels exceed the limit, unless the task allows it.
    """
    config, limit = task.config, stage.training.train_examples
    sources = task.check_languages(stage.source_languages)
    rows = interleave([task.examples(code, "train", limit, counted=progress.count) for code in sources], limit)
    too_long = config.too_long_targets
    if stage.translate_train is not None:
        rows = translated(rows, stage, task, place)
        # A translator may produce too long outputs, which says nothing about the labels.
        too_long = "drop" if too_long == "error" else too_long
    check_separator(config.line_separator, backbone)
    # The labels of a classification head are not text.
    texts = [text for row in rows for text in (row.texts if config.head else (*row.texts, row.targets[0]))]
    tokenize(backbone, texts, config.name, progress)
    encoded, report = _encode(rows, task, backbone, too_long)
    if report.labels_with_newlines:
        log.warning(
            "%d of %d labels contain newlines, which become spaces; `line_separator` in the task keeps them",
            *(report.labels_with_newlines, len(rows)),
        )
    languages = tuple(dict.fromkeys(row.language for row in rows))
    by_language = {code: [row for row in rows if row.language == code] for code in languages}
    return encoded, report, measure_examples(by_language, backbone, config.head is None)


def _encode(
    rows: Sequence[LabelledExample], task: Task, backbone: Backbone, too_long: str
) -> tuple[list[EncodedExample], DataReport]:
    """Encode examples; ``too_long`` says what is done about too long labels: error, drop or cut."""
    config = task.config
    # The model may have fewer positions than the task allows.
    limit = backbone.target_limit(config.max_target_tokens)
    encoded: list[EncodedExample] = []
    cropped, unknown, tokens = [], 0, 0
    over_limit: list[tuple[int, str]] = []
    for row in rows:
        example, lost = backbone.encode(row, config.max_source_tokens)
        cropped.append(lost)
        # The targets of a classification head are not tokens.
        ids = example.source if config.head else (*example.source, *example.target)
        unknown += ids.count(backbone.tokenizer.unk_token_id)
        tokens += len(ids)
        if len(example.target) > limit:
            over_limit.append((len(example.target), row.where))
            if too_long == "drop":
                continue
            if too_long == "cut":
                example = replace(example, target=example.target[:limit])
        encoded.append(replace(example, task=config.name))
    if over_limit and too_long == "error":
        longest, where = max(over_limit)
        raise DataError(
            f"{len(over_limit)} of {len(rows)} labels are longer than max_target_tokens {limit} (the longest has "
            f"{longest}: {where}). Raise max_target_tokens in the task, or set too_long_targets to drop or cut"
        )
    if not encoded:
        raise DataError(f"no training examples are left: all {len(rows)} labels are over max_target_tokens")
    return encoded, DataReport(
        examples=len(encoded),
        cropped_sources=sum(lost > 0 for lost in cropped),
        cropped_tokens=sum(cropped),
        dropped_targets=len(over_limit) if too_long == "drop" else 0,
        cut_targets=len(over_limit) if too_long == "cut" else 0,
        unknown_share=unknown / tokens,
        labels_with_newlines=sum("\n" in row.targets[0] for row in rows),
    )


def tokenize(backbone: Backbone, texts: Sequence[str], name: str, progress: Progress) -> None:
    """Tokenize ``texts`` together into the backbone's cache. Progress is shown if there are many."""
    done = (progress if len(texts) >= _MANY else SILENT).task(f"tokenizing {name}", len(texts), 0)
    backbone.cache_tokens(texts)
    done(len(texts))


def check_separator(separator: str | None, backbone: Backbone) -> None:
    """Raise InputError if the backbone cannot generate the ``line_separator``."""
    if separator is not None and (unknown := backbone.text.with_spans(separator).unknown):
        raise InputError(
            f"{backbone.name} has no token for {''.join(unknown)!r} in the task's line_separator {separator!r}; "
            "choose other characters"
        )
    if separator is not None and (written := backbone.decode(backbone.tokenize(separator))) != separator.strip():
        raise InputError(
            f"{backbone.name} writes the task's line_separator {separator!r} as {written!r}; choose one that its "
            "normalization does not change"
        )


def text_limit(max_tokens: int, backbone: Backbone, language: str) -> int:
    """The smaller of ``max_tokens`` and the number of tokens of text that fit into source and target."""
    around_source, around_target = len(backbone.source([], language)), len(backbone.target([], language))
    return min(
        backbone.source_limit(max_tokens + around_source) - around_source,
        backbone.target_limit(max_tokens + around_target) - around_target,
    )


class _Corpora(dict[tuple[str, str], list[Passage]]):
    """Passages by corpus and language. Several objectives may use the same corpus, which is read once."""

    def __init__(self, progress: Progress = SILENT) -> None:
        super().__init__()
        self.progress = progress

    def read(self, reader: Reader, where: str, code: str, backbone: Backbone) -> None:
        """Read and tokenize the text of one language, unless that is already done."""
        if (where, code) in self:
            return
        self[where, code] = read_passages(
            self.progress.count(f"reading text in {code}", reader.read(code, UNLABELLED)), code
        )
        tokenize(backbone, [passage.text for passage in self[where, code]], f"text in {code}", self.progress)


def resolve_unlabelled(
    config: Unlabelled, data_dir: Path
) -> tuple[Callable[[Callable[[int], int]], Objective], Reader, tuple[str, ...]]:
    """A function that makes the objective given the limit of its texts; the reader; the languages.

    Reads no data. Raises InputError if a name or an option is wrong, or languages are missing or unknown.
    """
    settings = config.objective
    assert isinstance(settings, ObjectiveOptions)
    reader: Reader = config.corpus.build(data_dir)
    languages = config.languages or reader.languages()
    if not languages:
        raise DataError("unlabelled text needs `languages`: its reader does not declare any")
    settings.build()  # raises if options exclude each other

    def objective(limit: Callable[[int], int]) -> Objective:
        return settings.model_copy(update={"max_tokens": limit(settings.max_tokens)}).build()

    return objective, reader, tuple(dict.fromkeys(Language.parse(text).code for text in languages))


def _unlabelled(config: Unlabelled, recipe: Recipe, backbone: Backbone, *, number: int, corpora: _Corpora) -> Part:
    """The part of the mixture with one unlabelled corpus; ``number`` is its place in the recipe."""
    objective_of, reader, codes = resolve_unlabelled(config, Path(recipe.data_dir))
    backbone.check_languages(codes)
    objective = objective_of(lambda limit: text_limit(limit, backbone, codes[0]))
    task = config.objective.name
    where = config.corpus.model_dump_json()
    for code in codes:
        corpora.read(reader, where, code, backbone)
    texts = {
        code: [
            chunk
            for p in corpora[where, code]
            if objective.fits(p, backbone)
            for chunk in objective.chunks_of(p, backbone)
        ]
        for code in codes
    }
    missing = [code for code, found in texts.items() if not found]
    if missing:
        raise DataError(
            f"objective {task}: the corpus {config.corpus.name} has no text that fits it "
            f"in {', '.join(missing)}; remove them from `languages`"
        )
    quotas = temperature_quotas([len(found) for found in texts.values()], config.temperature)
    slots = [(code, place) for code, quota in zip(codes, quotas, strict=True) for place in range(quota)]
    quota = dict(zip(codes, quotas, strict=True))

    def make(index: int, epoch: int) -> EncodedExample:
        code, place = slots[index]
        # If an epoch has only some of a language's texts, the next epoch continues after them.
        passage = texts[code][(epoch * quota[code] + place) % len(texts[code])]
        rng = random.Random(f"{recipe.seed}/{number}/{epoch}/{index}")
        return replace(objective.make(passage, rng, backbone), task=task)

    make(0, 0)  # raises now if the backbone does not support the objective
    # Translations are in other languages than their sources.
    targets = {passage.translation_language or passage.language for found in texts.values() for passage in found}
    name = f"{number}: {task} on {config.corpus.name} text ({', '.join(codes)})"
    return Part(name, len(slots), make, config.rate, config.weight, task, tuple(sorted(targets)))


def text_examples(recipe: Recipe, backbone: Backbone) -> Callable[[Unlabelled, int], list[EncodedExample]]:
    """A function that makes examples of unlabelled text outside of training, spread evenly over its languages."""

    def make(text: Unlabelled, count: int) -> list[EncodedExample]:
        part = _unlabelled(text, recipe, backbone, number=0, corpora=_Corpora())
        count = min(count, part.size)
        return [part.make(place * part.size // count, 0) for place in range(count)]

    return make


def read_passages(records: Iterable[Record], code: str) -> list[Passage]:
    """The passages of one language."""
    return [
        Passage(
            text=field(record, "text"),
            language=code,
            translation=record.fields.get("translation"),
            translation_language=record.fields.get("translation_language"),
            sentences=tuple(record.fields.get("sentences", ())),
        )
        for record in records
    ]


def temperature_quotas(sizes: Sequence[int], temperature: float) -> list[int]:
    """The number of texts of each language in an epoch, proportional to ``n ** (1 / T)``.

    The total is that of all texts, rounded by largest remainders, with at least one text per language. Temperature 1
    takes every text once. mT5 was pretrained with the exponent 1 / T = 0.3 (Xue et al. 2021, section 3.1).
    """
    if temperature == 1:
        return list(sizes)
    largest = max(sizes)
    # Relative to the largest size, so that no power overflows.
    powers = [(size / largest) ** (1 / temperature) for size in sizes]
    exact = [sum(sizes) * power / math.fsum(powers) for power in powers]
    quotas = [max(1, math.floor(share)) for share in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda i: exact[i] - math.floor(exact[i]), reverse=True)
    for i in by_remainder[: max(0, sum(sizes) - sum(quotas))]:
        quotas[i] += 1
    return quotas

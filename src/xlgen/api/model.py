"""A model in memory that generates: a trained checkpoint, or a pretrained model as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method, no_adaptation
from xlgen.api.training import Run, folder_of
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.heads import HeadSpec
from xlgen.core.config import Evaluation, validate
from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.tasks import Task, build_task
from xlgen.evaluation.checkpoint_inference import example_of_input
from xlgen.evaluation.head_inference import check_evaluation
from xlgen.evaluation.predictor import predictor_of
from xlgen.evaluation.scored import is_backbone
from xlgen.runs.checkpoints import find_checkpoint

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Model:
    """A model that is ready to generate. ``load`` makes it."""

    name: str
    """The folder or the name that it was loaded from."""
    backbone: Backbone
    method: Method
    task: Task
    """The task that it was trained on, or one that takes any text as it is."""
    precision: Precision = "fp32"
    cleanup: str = "phrases"
    """How outputs are cleaned up: as in the recipe of the run."""
    allow_unknown: bool = False

    @property
    def languages(self) -> tuple[str, ...]:
        """Canonical codes of the languages that the pretrained model knows."""
        return self.backbone.languages

    def generate(
        self,
        texts: Sequence[str | JsonMapping],
        *,
        language: str | Sequence[str],
        num_beams: int = 1,
        max_new_tokens: int | None = None,
        length_penalty: float = 0.6,
        control: str | JsonMapping | None = None,
        sampling: JsonMapping | None = None,
        batch_tokens: int = 16_000,
    ) -> list[str]:
        """Generate one output for each text, in order; an empty text has an empty output.

        Args:
            texts: Whole inputs, or mappings with the fields of the task's template.
            language: The language of the inputs and outputs: one for all, or one for each text.
            num_beams: Beam size; 1 is greedy search.
            max_new_tokens: Maximum length of an output in tokens; by default the task's limit for targets.
            length_penalty: A score is divided by ``length ** length_penalty``; beams only.
            control: Language control, a name or ``{"name": "rerank", "candidates": 4}`` (``xlgen list controls``).
            sampling: Draw ``num_beams`` samples and return the best: ``{"temperature": 0.8, "top_p": 0.95}``.
            batch_tokens: Padded source tokens that are decoded together.

        Returns:
            The cleaned outputs; for a model with a classification head, the labels.

        Raises:
            InputError: for wrong settings, an unknown language, or an input that lacks a field.
        """
        if isinstance(texts, str):
            raise InputError("texts must be a list of texts, not one text: generate([text], ...)[0]")
        codes = [language] * len(texts) if isinstance(language, str) else list(language)
        if len(codes) != len(texts):
            raise InputError(f"{len(texts)} texts and {len(codes)} languages: give one language for all, or one each")
        settings = self._settings(
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            length_penalty=length_penalty,
            control=control,
            sampling=sampling,
            batch_tokens=batch_tokens,
        )
        pairs = zip(texts, codes, strict=True)
        examples = [self._example(text, number, code) for number, (text, code) in enumerate(pairs)]
        return self._in_order(examples, settings)

    def generate_stream(
        self,
        texts: Iterable[str | JsonMapping],
        *,
        language: str,
        num_beams: int = 1,
        max_new_tokens: int | None = None,
        length_penalty: float = 0.6,
        control: str | JsonMapping | None = None,
        sampling: JsonMapping | None = None,
        batch_tokens: int = 16_000,
    ) -> Iterator[str]:
        """Generate for texts that need not fit in memory; outputs come in order. Arguments as for ``generate``."""
        settings = self._settings(
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            length_penalty=length_penalty,
            control=control,
            sampling=sampling,
            batch_tokens=batch_tokens,
        )
        self._check_language(language)
        examples = (self._example(text, number, language) for number, text in enumerate(texts))
        rows = predictor_of(self.backbone, self.method, self.task, settings).stream(examples)
        return (self.task.with_newlines(prediction.text) for _, prediction in rows)

    def _settings(self, **given: JsonValue) -> Evaluation:
        fixed = {"precision": self.precision, "cleanup": self.cleanup}
        settings: Evaluation = validate(Evaluation, {**given, **fixed}, "the arguments")
        check_evaluation(self.task, settings)
        return settings

    def _check_language(self, language: str) -> str:
        code = Language.parse(language).code
        self.backbone.check_languages([code], self.allow_unknown)
        return code

    def _example(self, text: str | JsonMapping, number: int, language: str) -> LabelledExample:
        fields = {"input": text} if isinstance(text, str) else dict(text)
        return example_of_input(Record(fields, f"text {number}"), number, self._check_language(language), self.task)

    def _in_order(self, examples: Sequence[LabelledExample], settings: Evaluation) -> list[str]:
        predictor = predictor_of(self.backbone, self.method, self.task, settings)
        found: dict[int, str] = {}
        # A method may differ by language, and a stream is of one.
        for language in dict.fromkeys(example.language for example in examples):
            places = [place for place, example in enumerate(examples) if example.language == language]
            rows = predictor.stream(examples[place] for place in places)
            found.update(zip(places, (self.task.with_newlines(each.text) for _, each in rows), strict=True))
        return [found[place] for place in range(len(examples))]


def load(source: str | Path | Run, *, precision: Precision = "fp32", languages: Sequence[str] = ()) -> Model:
    """Load a model to generate with.

    Args:
        source: A run (its newest checkpoint), a checkpoint, a model in the format of ``transformers`` such as one that
            ``xlgen export --to transformers`` has written, an embedded backbone or an id of the Hugging Face hub.
        precision: Of the weights. bf16 takes half the memory and changes a few outputs.
        languages: Languages to check for before any weight is read.

    Raises:
        InputError: if there is no model, its files are damaged, or it does not know one of ``languages``.
    """
    path = folder_of(source)
    codes = tuple(Language.parse(language).code for language in languages)
    if (path / "adapted.json").is_file():
        raise InputError(
            f"{path} is an export with adapters or prompts, for use without xlgen (its xlgen_adapted.py opens it); "
            "load the run or checkpoint that it was exported from"
        )
    if is_backbone(path):
        backbone = loading.load(str(path), languages=codes, weights=precision)
        backbone.model.eval()
        task = _plain_task(backbone.languages, loading.saved_head(str(path)))
        return Model(str(path), backbone, no_adaptation(), task, precision)
    checkpoint = find_checkpoint(path)
    backbone, method, about = store.load_checkpoint(checkpoint, codes, precision)
    task = store.task_of(checkpoint) or _plain_task(backbone.languages)
    return Model(str(path), backbone, method, task, precision, about.cleanup, about.allow_unknown)


def _plain_task(languages: Sequence[str], head: HeadSpec | None = None) -> Task:
    """A task without data for models that were trained on no task: inputs are texts as they are, or lists of words."""
    data: dict[str, JsonValue] = {
        "name": "text",
        "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"},
        "languages": list(languages),
        "source": "{input}",
        "target": "output",
        "metrics": ["chrf"],
        "main_metric": "chrf",
    }
    if head is not None:
        kind, source = ("tagging", "{input:words}") if head.by_word else ("classification", "{input}")
        data |= {"kind": kind, "source": source, "labels": list(head.labels)}
    return build_task(data, Path("text.yaml"), Path())

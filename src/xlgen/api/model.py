"""A model in memory that generates: a trained checkpoint, or a backbone without finetuning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, get_args

from typing_extensions import Unpack

from xlgen.api.arguments import codes_of
from xlgen.api.training import Run, folder_of
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.registry import InputError, nearest

if TYPE_CHECKING:
    from xlgen.adaptation.base import Method
    from xlgen.backbones.base import Backbone
    from xlgen.backbones.heads import HeadSpec
    from xlgen.core.config import Evaluation
    from xlgen.data.examples import LabelledExample
    from xlgen.data.tasks import Task

Precision = Literal["fp32", "bf16"]


class DecodingSettings(TypedDict, total=False):
    """Keyword arguments of :meth:`Model.generate` for beam search and sampling."""

    num_beams: int
    """Beam size. The default, 1, is greedy search."""
    max_new_tokens: int | None
    """Maximum length of an output in tokens. By default, the task's limit for targets."""
    length_penalty: float
    """The score of a beam is divided by ``length ** length_penalty`` (the rule of ``transformers``; for T5X's rule, use
    ``evaluation.beam_search`` in a recipe). Default: 0.6."""
    control: str | JsonMapping | None
    """Language control, a name or ``{"name": "rerank", "candidates": 4}`` (``xlgen list controls``)."""
    sampling: JsonMapping | None
    """Sample ``num_beams`` outputs and return the most probable one: ``{"temperature": 0.8, "top_p": 0.95}``."""
    batch_tokens: int
    """Maximum number of padded source tokens that are decoded together. Default: 16,000."""


@dataclass(frozen=True, repr=False)
class Model:
    """A model that is ready to generate. :func:`load` returns it."""

    name: str
    """The folder or the name that it was loaded from."""
    backbone: Backbone
    method: Method
    task: Task
    """The task that it was trained on. A model without one has a task whose inputs are texts without a template."""
    precision: Precision = "fp32"
    cleanup: str = "phrases"
    """How outputs are cleaned up, from the recipe of the run."""
    allow_unknown: bool = False
    """Whether it generates in languages that the pretrained model does not know."""

    def __repr__(self) -> str:
        kind, method = type(self.backbone).__name__, self.method.options.name
        return f"<model {self.name}: {kind}, {method}, task {self.task.config.name}, {self.precision}>"

    @property
    def languages(self) -> tuple[str, ...]:
        """Canonical codes of the languages that the pretrained model knows."""
        return self.backbone.languages

    def generate(
        self,
        texts: Sequence[str | JsonMapping],
        *,
        language: str | Sequence[str],
        **settings: Unpack[DecodingSettings],
    ) -> list[str]:
        """Generate one output for each text, in order. The output of an empty text is empty.

        Args:
            texts: Whole inputs, or mappings with the fields of the task's template.
            language: The language of the inputs and outputs: one for all, or one for each text.
            settings: Keyword arguments of :class:`DecodingSettings`: ``num_beams``, ``max_new_tokens``,
                ``length_penalty``, ``control``, ``sampling`` and ``batch_tokens``.

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
        evaluation = self._evaluation(settings)
        pairs = zip(texts, codes, strict=True)
        examples = [self._example(text, number, code) for number, (text, code) in enumerate(pairs)]
        found: dict[int, str] = {}
        # A method may differ by language, and a stream is of one.
        for code in dict.fromkeys(example.language for example in examples):
            places = [place for place, example in enumerate(examples) if example.language == code]
            found.update(zip(places, self._outputs((examples[place] for place in places), evaluation), strict=True))
        return [found[place] for place in range(len(examples))]

    def generate_stream(
        self, texts: Iterable[str | JsonMapping], *, language: str, **settings: Unpack[DecodingSettings]
    ) -> Iterator[str]:
        """Generate for texts that need not fit in memory, all in one language.

        Outputs are returned in order. Arguments are those of :meth:`generate`.
        """
        evaluation = self._evaluation(settings)
        self._check_language(language)
        examples = (self._example(text, number, language) for number, text in enumerate(texts))
        return self._outputs(examples, evaluation)

    def _evaluation(self, settings: DecodingSettings) -> Evaluation:
        from xlgen.core.config import Evaluation, validate
        from xlgen.evaluation.head_inference import check_evaluation

        if unknown := sorted(set(settings) - DecodingSettings.__annotations__.keys()):
            raise InputError(f"unknown setting {unknown[0]!r}: {nearest(unknown[0], DecodingSettings.__annotations__)}")
        fixed = {"precision": self.precision, "cleanup": self.cleanup}
        found: Evaluation = validate(Evaluation, {**settings, **fixed}, "an argument")
        check_evaluation(self.task, found)
        return found

    def _check_language(self, language: str) -> str:
        from xlgen.core.languages import Language

        code = Language.parse(language).code
        self.backbone.check_languages([code], self.allow_unknown)
        return code

    def _example(self, text: str | JsonMapping, number: int, language: str) -> LabelledExample:
        from xlgen.data.examples import Record
        from xlgen.evaluation.checkpoint_inference import example_of_input

        if not isinstance(text, (str, Mapping)):
            raise InputError(f"text {number} must be text or a mapping with fields, not {type(text).__name__}")
        fields = {"input": text} if isinstance(text, str) else dict(text)
        return example_of_input(Record(fields, f"text {number}"), number, self._check_language(language), self.task)

    def _outputs(self, examples: Iterable[LabelledExample], evaluation: Evaluation) -> Iterator[str]:
        """The outputs of examples in one language, in order."""
        from xlgen.evaluation.predictor import predictor_of

        predictions = predictor_of(self.backbone, self.method, self.task, evaluation).stream(examples)
        return (self.task.with_newlines(prediction.text) for _, prediction in predictions)


def load(source: str | Path | Run, *, precision: Precision = "fp32", languages: Sequence[str] = ()) -> Model:
    """Load a model to generate with.

    Args:
        source: A run (its newest checkpoint), a checkpoint, a model in the format of ``transformers`` such as one that
            ``xlgen export --to transformers`` has written, an embedded backbone or an id on the Hugging Face Hub.
        precision: Precision of the weights. ``bf16`` takes half the memory and changes a few outputs.
        languages: Languages that the model must know. They are checked before any weight is read.

    Raises:
        InputError: if there is no model, its files are damaged, or it does not know one of ``languages``.
    """
    if precision not in get_args(Precision):
        raise InputError(f"precision must be {' or '.join(get_args(Precision))}, not {precision!r}")
    require("train", "loading a model")
    from xlgen.adaptation import checkpoints as store
    from xlgen.adaptation.base import no_adaptation
    from xlgen.backbones import loading
    from xlgen.core.languages import Language
    from xlgen.evaluation.scored import check_model, is_backbone
    from xlgen.runs.checkpoints import find_checkpoint

    path = folder_of(source)
    codes = tuple(Language.parse(language).code for language in codes_of(languages))
    if (path / "adapted.json").is_file():
        raise InputError(
            f"{path} is an export with adapters or prompts, for use without xlgen (its xlgen_adapted.py opens it); "
            "load the run or checkpoint that it was exported from"
        )
    check_model(path)
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
    """A task without data for models that were trained on no task: inputs are plain texts, or lists of words."""
    from xlgen.data.tasks import build_task

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

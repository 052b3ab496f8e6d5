"""Predictions of generation tasks: text from a decoder, cleaned up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.core.config import Evaluation
from xlgen.data.deferred import Deferred
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.tasks import Task
from xlgen.decoding.cleanup import clean
from xlgen.decoding.control import Decoder, LanguageControl, Request
from xlgen.decoding.decode import stream
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.prediction import Prediction
from xlgen.representations.xlrs import EncoderStateCollector

_GROUP = 256
"""Number of inputs that a language control receives at a time."""


def decoding_of(task: Task, evaluation: Evaluation) -> Decoding:
    """The decoding settings of a task's evaluation."""
    return Decoding(
        max_new_tokens=evaluation.max_new_tokens or task.config.max_target_tokens,
        num_beams=evaluation.num_beams,
        length_penalty=evaluation.length_penalty,
        beam_search=evaluation.beam_search,
        batch_tokens=evaluation.batch_tokens,
        precision=evaluation.precision,
        sampling=evaluation.sampling,
    )


def control_of(evaluation: Evaluation) -> LanguageControl | None:
    """The language control of an evaluation. Raises InputError for a wrong name or option."""
    control: LanguageControl | None = evaluation.control.build() if evaluation.control else None
    return control


class Generator:
    """Generates text. The output for an empty input is empty."""

    def __init__(self, backbone: Backbone, method: Method, task: Task, evaluation: Evaluation) -> None:
        """Raises InputError if the evaluation's language control is wrong."""
        self._backbone, self._method, self._task = backbone, method, task
        self._decoding, self._control = decoding_of(task, evaluation), control_of(evaluation)
        self._cleanup = evaluation.cleanup

    def predict(
        self,
        examples: Sequence[LabelledExample],
        progress: Callable[[int], None] = lambda count: None,
        collector: EncoderStateCollector | None = None,
    ) -> list[Prediction]:
        """See :class:`Predictor`."""
        full = [example for example in examples if not example.is_empty]
        found = iter(self._generate(full, progress, collector))
        if len(full) < len(examples):
            progress(len(examples) - len(full))
        return [Prediction("", "") if example.is_empty else next(found) for example in examples]

    def _generate(
        self,
        examples: Sequence[LabelledExample],
        progress: Callable[[int], None],
        collector: EncoderStateCollector | None,
    ) -> list[Prediction]:
        """:meth:`predict` for inputs that are not empty."""
        decode = Decoder(self._backbone, self._decoding, self._task.data_dir, progress, collector, self._task.outputs)
        self._backbone.cache_tokens(example.source for example in examples)
        encoded = [self._encode(example) for example in examples]
        texts: dict[int, str] = {}
        for language, chosen in self._method.together([example.language for example in examples]):
            self._method.set_language(self._backbone, language)
            requests = [Request(encoded[i][0], examples[i].language) for i in chosen]
            texts.update(zip(chosen, self._outputs(decode, requests), strict=True))
        states = collector.of if collector else {}
        return [
            self._prediction(texts[i], cropped)._replace(states=states.get((example.language, source)))
            for i, (example, (source, cropped)) in enumerate(zip(examples, encoded, strict=True))
        ]

    def _encode(self, example: LabelledExample) -> tuple[tuple[int, ...], int]:
        return self._backbone.encode_source(example, self._task.config.max_source_tokens)

    def _outputs(self, decode: Decoder, requests: Sequence[Request]) -> Sequence[str]:
        if self._control is not None:
            return self._control.generate(decode, requests)
        return [best[0].text for best in decode(requests)]

    def _prediction(self, raw: str, cropped: int) -> Prediction:
        return Prediction(clean(raw, self._backbone.leftover_pattern, self._cleanup), raw, cropped)

    def stream(self, examples: Iterable[LabelledExample]) -> Iterator[tuple[LabelledExample, Prediction]]:
        """See :class:`Predictor`."""
        read: deque[tuple[LabelledExample, int]] = deque()

        def encoded() -> Iterator[EncodedExample]:
            for example in examples:
                if example.is_empty:
                    read.append((example, 0))
                    continue
                source, cropped = self._encode(example)
                read.append((example, cropped))
                yield EncodedExample(source, (0,), example.language)

        def empty() -> Iterator[tuple[LabelledExample, Prediction]]:
            while read and read[0][0].is_empty:
                yield read.popleft()[0], Prediction("", "")

        deferred = Deferred(encoded())
        first = next(iter(deferred), None)
        if first is not None:
            self._method.set_language(self._backbone, first.language)
            for text in self._stream_outputs(chain([first], deferred)):
                yield from empty()
                example, cropped = read.popleft()
                yield example, self._prediction(text, cropped)
        yield from empty()
        deferred.finish()

    def _stream_outputs(self, examples: Iterator[EncodedExample]) -> Iterator[str]:
        if self._control is None:
            yield from (best[0].text for best in stream(self._backbone, examples, self._decoding))
            return
        # A control inspects outputs before it requests more.
        decode = Decoder(self._backbone, self._decoding, self._task.data_dir, outputs=self._task.outputs)
        while group := [Request(each.source, each.language) for each in islice(examples, _GROUP)]:
            yield from self._control.generate(decode, group)

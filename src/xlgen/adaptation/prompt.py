"""Prompt tuning: learned vectors before the encoder's input embeddings (Lester et al. 2021)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from xlgen.adaptation.base import Method, MethodOptions, checkpoint_to_start_from, methods
from xlgen.adaptation.inserted import Inserted, PromptPlace
from xlgen.adaptation.virtual_tokens import VirtualTokens, insert_virtual_tokens
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import read_tensors

_FREQUENT = 5_000
_VECTORS = "encoder.prompt.vectors"


class PromptOptions(MethodOptions):
    """Length, initialization and position. Vu et al. (2022) used 100 vectors, and compared 1 to 1,000 (section 2.2);
    Chirkova et al. (2023) used 100 with a learning rate of 0.01 (Appendix A).
    """

    num_virtual_tokens: int = Field(default=100, ge=1, le=65_536)
    """Number of virtual tokens before the input."""
    init: Literal["vocabulary", "first-5000", "text", "uniform"] = "vocabulary"
    """``vocabulary``: embeddings of random tokens of the whole vocabulary (Vu et al. 2022). ``first-5000``: of distinct
    tokens among the first 5,000 ids, which are frequent ones. ``text``: of ``init_text``, repeated as needed.
    ``uniform``: values between -0.5 and 0.5 (Lester et al. 2021, section 3.2)."""
    init_text: str | None = None
    """The text for ``init: text``."""
    place: Literal["start", "after_code"] = "start"
    """Position of the prompt in families whose sources begin with a language code: before the code, or between it and
    the text. The other families have one position only."""

    @model_validator(mode="after")
    def _text_where_it_is_used(self) -> PromptOptions:
        if (self.init == "text") != bool(self.init_text):
            raise ValueError("`init: text` and `init_text` belong together")
        return self


class Prompt(VirtualTokens):
    """The same prompt for every example; ``vectors`` has the shape (num_virtual_tokens, dim)."""

    def __init__(self, vectors: Tensor, skip: int = 0) -> None:
        super().__init__(skip)
        self.vectors = nn.Parameter(vectors)

    def forward(self, batch: int) -> Tensor:
        """The vectors, of shape (batch, num_virtual_tokens, dim)."""
        return self.vectors.expand(batch, -1, -1)


def initial_vectors(backbone: Backbone, count: int, init: str, text: str | None = None) -> Tensor:
    """The initial values of ``count`` vectors (see PromptOptions), of shape (count, dim).

    Embeddings are scaled as in the encoder: mBART and NLLB multiply them by sqrt(dim). Raises BackboneError if there
    are fewer tokens than vectors, or ``text`` has no tokens.
    """
    table = backbone.model.get_encoder().embed_tokens
    size, dim = table.weight.shape
    if init == "uniform":
        return torch.rand(count, dim) - 0.5
    if init == "vocabulary":
        ids = torch.randint(size, (count,))
    elif init == "first-5000":
        if count > min(_FREQUENT, size):
            raise BackboneError(
                f"prompt: init first-5000 draws different tokens, and there are {min(_FREQUENT, size)}, "
                f"{count - min(_FREQUENT, size)} fewer than num_virtual_tokens; use init vocabulary"
            )
        ids = torch.randperm(min(_FREQUENT, size))[:count]
    else:
        tokens = backbone.tokenize(text or "")
        if not tokens:
            raise BackboneError(f"prompt: init_text {text!r} has no tokens in {backbone.name}")
        ids = torch.tensor(list(islice(cycle(tokens), count)))
    vectors: Tensor = table(ids.to(table.weight.device))
    return vectors.detach().clone()


@methods.register("prompt")
class PromptTuning(Method[PromptOptions]):
    """Freeze the model and train a prompt before the encoder's input."""

    Options = PromptOptions
    continues: ClassVar[bool] = True

    def insert(self, backbone: Backbone) -> None:
        """Insert the prompt into the encoder. Raises BackboneError if there are not enough positions."""
        options = self.options
        vectors = initial_vectors(backbone, options.num_virtual_tokens, options.init, options.init_text)
        skip = backbone.leading_codes if options.place == "after_code" else 0
        insert_virtual_tokens(backbone, Prompt(vectors, skip), options.num_virtual_tokens)

    def inserted(self, backbone: Backbone) -> Inserted:
        """The prompt."""
        prompt = backbone.model.get_encoder().prompt
        return Inserted({"prompt": prompt.vectors[None]}, prompt=PromptPlace("prompt", prompt.skip))

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` is the prompt."""
        return name.endswith(_VECTORS)

    def begin(self, backbone: Backbone, earlier: Path | None) -> None:
        """Start from the prompt of the previous stage (Vu et al. 2022, Appendix F). Raises BackboneError on failure."""
        if earlier is None:
            return
        folder = checkpoint_to_start_from(earlier, backbone)
        try:
            self.load(backbone, folder)
        except (OSError, SafetensorError) as error:
            raise BackboneError(f"the prompt of the previous stage, in {folder}, cannot be read: {error}") from None

    def language_prompts(self, folder: Path, languages: Sequence[str]) -> Mapping[str, Tensor]:
        """The prompt, if it was trained on text in one language (Vu et al. 2022, Appendix D)."""
        if len(languages) != 1:
            found = (
                f"on text in {', '.join(languages)}" if languages else "with labels, or on text of several languages"
            )
            raise BackboneError(f"{folder}: its prompt was trained {found}, not on text in one language")
        return {
            languages[0]: next(v for k, v in read_tensors(folder / self.weights_file).items() if k.endswith(_VECTORS))
        }

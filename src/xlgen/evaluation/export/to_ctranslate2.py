"""Models for CTranslate2, an inference engine in C++ with quantized weights."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.extras import require
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.export import Decode, Format, Output, Requests, formats, without_end
from xlgen.evaluation.export.to_transformers import ToTransformers
from xlgen.evaluation.export.tokenizer_files import read_json, save_tokenizer, write_json
from xlgen.kernels.model_types import TransformersTokenizer

if TYPE_CHECKING:
    from ctranslate2.specs import ModelSpec

PATIENCE = 2.0
"""The patience of beam search that gives the outputs of `xlgen predict`."""


def import_ctranslate2() -> ModuleType:
    """The library. Raises MissingExtraError if it is not installed."""
    require("ctranslate2", "the format ctranslate2")
    import ctranslate2

    library: ModuleType = ctranslate2
    return library


@formats.register("ctranslate2")
class ToCTranslate2(Format):
    """A folder for `ctranslate2.Translator`; --quantization int8, int8_float32, int16, float16 or bfloat16."""

    options = ("quantization",)

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged, or a wrong quantization."""
        import_ctranslate2()
        if not method.can_merge():
            able = [name for name in methods.names() if methods.get(name).can_merge()]
            raise BackboneError(
                f"CTranslate2 stores plain models, and what {checkpoint} adds to one cannot be merged. The methods "
                f"{', '.join(able)} can be exported; export this one to transformers, or generate with xlgen"
            )
        from ctranslate2.converters import TransformersConverter
        from ctranslate2.specs.model_spec import OPTIONAL

        with tempfile.TemporaryDirectory() as plain:
            ToTransformers().write(backbone, method, checkpoint, Path(plain))
            _complete(Path(plain), backbone)
            untied = backbone.parts()["lm_head"] == ("lm_head.",)

            class Converter(TransformersConverter):  # type: ignore[misc]  # the library has no annotations
                """Corrects the logits of models with a separate output matrix.

                For mT5, CTranslate2 4.8 multiplies logits by d_model^-0.5, which is right for tied matrices only;
                transformers 5 sets them as tied in every MT5Config.
                """

                def _load(self) -> ModelSpec:
                    spec = super()._load()
                    if untied:
                        spec.decoder.scale_outputs = OPTIONAL
                    return spec

            try:
                Converter(plain).convert(str(folder), quantization=self.quantization, force=True)
            except ValueError as error:
                raise BackboneError(f"CTranslate2 cannot convert {backbone.name}: {error}") from None
        _rename_unused(folder / "shared_vocabulary.json")
        save_tokenizer(backbone, folder)

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Through ``Translator.translate_batch`` on the CPU."""
        # A translator sets the threads of this process, PyTorch's too (findings/ctranslate2_sets_pytorch_threads.sh).
        threads = torch.get_num_threads()
        translator = import_ctranslate2().Translator(str(folder), device="cpu", intra_threads=threads)
        tokenizer = backbone.tokenizer

        def decode(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
            prefixes = [list(backbone.target_prefix(code)) for _, code in requests]
            penalty = Decoding(new_tokens).length_penalty
            found = translator.translate_batch(
                [tokenizer.convert_ids_to_tokens(list(ids)) for ids, _ in requests],
                target_prefix=[tokenizer.convert_ids_to_tokens(ids) for ids in prefixes] if any(prefixes) else None,
                beam_size=beams,
                length_penalty=penalty,
                # By default, a search ends at the first `beams` hypotheses and misses better ones.
                patience=PATIENCE,
                max_decoding_length=new_tokens + len(prefixes[0]),
                max_input_length=0,
                return_scores=beams > 1,
            )
            ids = [_ids(tokenizer, each.hypotheses[0]) for each in found]
            tokens = [without_end(each[len(prefix) :], backbone) for each, prefix in zip(ids, prefixes, strict=True)]
            if beams == 1:
                return list(map(Output, tokens))
            scores = [
                _score(each.scores[0], len(own), len(own) < new_tokens, len(prefix), penalty)
                for each, own, prefix in zip(found, tokens, prefixes, strict=True)
            ]
            return [Output(*pair) for pair in zip(tokens, scores, strict=True)]

        return decode


def _ids(tokenizer: TransformersTokenizer, tokens: list[str]) -> list[int]:
    found = tokenizer.convert_tokens_to_ids(tokens)
    return found if isinstance(found, list) else [found]


def _score(score: float, length: int, ended: bool, prefix: int, penalty: float) -> float:
    """CTranslate2's score, normalized as ours: by the length of the tokens and the end, without the prefix."""
    own = length + ended
    return score * float(((own + prefix) / own) ** penalty)


def _rename_unused(file: Path) -> None:
    """Rename unused rows of a vocabulary, to which the converter gives the names ``<extra_id_0>``, ... again."""
    tokens = json.loads(file.read_text(encoding="utf-8"))
    known: set[str] = set()
    for place, token in enumerate(tokens):
        if token in known:
            tokens[place] = f"unused_{place}"
        known.add(token)
    file.write_text(json.dumps(tokens, ensure_ascii=False, indent=0), encoding="utf-8")


def _complete(folder: Path, backbone: Backbone) -> None:
    """Add keys that CTranslate2's reader requires to the config and the tokenizer's config."""
    config = read_json(folder / "config.json")
    # transformers 5 no longer stores the place of norms, which the reader needs; here they are always before blocks.
    config["normalize_before"] = True
    config["normalize_embedding"] = hasattr(backbone.model.get_decoder(), "layernorm_embedding")
    config["tokenizer_class"] = next(iter(backbone.tokenizer_classes), config.get("tokenizer_class"))
    write_json(folder / "config.json", config)
    tokenizer = read_json(folder / "tokenizer_config.json")
    # The key is required, but sequence-to-sequence models begin with another token.
    tokenizer.setdefault("bos_token", backbone.tokenizer.bos_token or backbone.tokenizer.eos_token)
    write_json(folder / "tokenizer_config.json", tokenizer)

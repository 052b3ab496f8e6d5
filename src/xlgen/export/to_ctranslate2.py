"""Models for CTranslate2, a decoder in C++ with small integers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.export import Decode, Format, Requests, formats, without_end
from xlgen.export.to_transformers import ToTransformers


def import_ctranslate2() -> ModuleType:
    """The library. Raises BackboneError where it is not installed."""
    try:
        import ctranslate2
    except ImportError:
        raise BackboneError("this format needs the ctranslate2 library: pip install 'xlgen[ctranslate2]'") from None
    return ctranslate2


@formats.register("ctranslate2")
class ToCTranslate2(Format):
    """A folder for `ctranslate2.Translator`; --quantization int8, int8_float32, int16, float16 or bfloat16."""

    options = ("quantization",)

    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """See :class:`Format`. Raises BackboneError for a method that cannot be merged, or a wrong quantization."""
        import_ctranslate2()
        from ctranslate2.converters import TransformersConverter

        with tempfile.TemporaryDirectory() as plain:
            ToTransformers().write(backbone, method, checkpoint, Path(plain))
            _complete(Path(plain), backbone)
            converter = TransformersConverter(plain)
            try:
                converter.convert(str(folder), quantization=self.quantization, force=True)
            except ValueError as error:
                raise BackboneError(f"CTranslate2 cannot convert {backbone.name}: {error}") from None
        backbone.tokenizer.save_pretrained(folder)

    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Through ``Translator.translate_batch`` on the CPU."""
        translator = import_ctranslate2().Translator(str(folder), device="cpu")
        tokenizer = backbone.tokenizer

        def decode(requests: Requests, new_tokens: int) -> list[tuple[int, ...]]:
            prefixes = [list(backbone.target_prefix(code)) for _, code in requests]
            found = translator.translate_batch(
                [tokenizer.convert_ids_to_tokens(list(ids)) for ids, _ in requests],
                target_prefix=[tokenizer.convert_ids_to_tokens(ids) for ids in prefixes] if any(prefixes) else None,
                beam_size=1,
                max_decoding_length=new_tokens + len(prefixes[0]),
                max_input_length=0,
            )
            ids = [tokenizer.convert_tokens_to_ids(each.hypotheses[0]) for each in found]
            return [without_end(each[len(prefix) :], backbone) for each, prefix in zip(ids, prefixes, strict=True)]

        return decode


def _complete(folder: Path, backbone: Backbone) -> None:
    """Write into config and tokenizer what CTranslate2's reader looks for."""
    config = _read(folder / "config.json")
    # transformers 5 no longer says where the norms are, and the reader asks; all our families have them before blocks.
    config["normalize_before"] = True
    config["normalize_embedding"] = hasattr(backbone.model.get_decoder(), "layernorm_embedding")
    config["tokenizer_class"] = next(iter(backbone.tokenizer_classes), config.get("tokenizer_class"))
    (folder / "config.json").write_text(json.dumps(config, ensure_ascii=False), encoding="utf-8")
    tokenizer = _read(folder / "tokenizer_config.json")
    # It must have a name; sequence-to-sequence models begin with another token.
    tokenizer.setdefault("bos_token", backbone.tokenizer.bos_token or backbone.tokenizer.eos_token)
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))

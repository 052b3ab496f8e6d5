"""Whether an output was truncated, from the finish reasons that the APIs of language models return."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

_TRUE, _FALSE = ("true", "yes", "y", "t", "on", "1", "1.0"), ("false", "no", "n", "f", "off", "0", "0.0")
_TRUTH = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
# In lower case, with words joined by "_": the reasons of OpenAI, Anthropic, Google, Cohere, Bedrock, vLLM, TGI, SGLang,
# Mistral, llama.cpp, Ollama, AI21 and watsonx. Cohere's error_limit is the context limit.
_CUT = (
    *("length", "max_length", "model_length", "limit", "error_limit", "token_limit", "max_tokens_reached"),
    *("max_tokens", "max_new_tokens", "max_output_tokens", "max_completion_tokens"),
    *("model_context_window_exceeded", "context_length_exceeded", "max_context_length", "max_model_length"),
)
_WHOLE = (
    *("stop", "eos", "eos_token", "end_turn", "end_of_turn", "endoftext", "end_of_text", "stop_token", "word"),
    *("stop_sequence", "stop_sequences", "stop_criteria_met", "complete", "completed", "finish", "finished"),
)
_MEANS = {**dict.fromkeys(_CUT, True), **dict.fromkeys(_WHOLE, False)}
# FinishReason.MAX_TOKENS and FINISH_REASON_MAX_TOKENS become MAX_TOKENS; maxTokens becomes max_tokens.
_PREFIX = re.compile(r"^(?:finish|stop)_?reason[._:]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHOWN = 40


def truncation(truncated: object, reason: object) -> tuple[bool | None, tuple[str, ...]]:
    """Whether an output was truncated, from the field ``truncated`` or else from the meaning of ``finish_reason``.

    Returns:
        Whether it was truncated, None if unknown; and each unknown value, as text.
    """
    found = None if _is_absent(truncated) else _TRUTH.get(str(truncated).strip().lower())
    unread = [f"truncated {_shown(truncated)}"] if found is None and not _is_absent(truncated) else []
    if found is None:
        found = _meaning(reason)
        unread += [f"finish_reason {_shown(reason)}"] if found is None and not _is_absent(reason) else []
    return found, tuple(unread)


def _is_absent(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def _meaning(reason: object) -> bool | None:
    if isinstance(reason, Mapping):  # {"type": "length", "length": 64}, {"reason": "length"}
        reason = reason.get("type", reason.get("reason"))
    if not isinstance(reason, str):
        return None
    name = re.sub(r"[\s-]+", "_", _HUMP.sub("_", reason.strip())).lower()
    return _MEANS.get(_PREFIX.sub("", name))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

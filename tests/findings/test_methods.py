"""What the papers found about methods, on pocket-mt5 and pocket summaries: ``make findings``.

Margins are about half of what one seed shows, since other machines round otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Outcomes = Callable[[str], Any]


def test_at_a_high_rate_full_finetuning_learns_english_and_answers_in_it(outcome: Outcomes) -> None:
    """C, section 4."""
    high, low = outcome("full-summaries-learning_rate=0.003"), outcome("full-summaries-learning_rate=0.0003")
    assert high.english > 70 and low.english > 70
    assert high.language < 40 and low.language > 90
    assert high.others < 0.6 * low.others


def test_mixing_in_unlabelled_text_raises_the_correct_language_rate(outcome: Outcomes) -> None:
    """V, section 3.2 (MIX-UNSUP-ALL); C, section 4."""
    plain, mixed = outcome("full-summaries-learning_rate=0.003"), outcome("mixing-summaries-learning_rate=0.003")
    assert mixed.language > plain.language + 30
    assert mixed.others > plain.others


@pytest.mark.parametrize("method", ["adapters", "lora", "freezing"])
def test_training_a_part_keeps_the_language_where_training_all_loses_it(outcome: Outcomes, method: str) -> None:
    """C, section 4: adapters, and freezing the decoder."""
    plain, partial = outcome("full-summaries-learning_rate=0.003"), outcome(f"{method}-summaries-learning_rate=0.003")
    assert partial.english > 70
    assert partial.language > plain.language + 40
    assert partial.others > 1.5 * plain.others


def test_longer_prompts_forget_more(outcome: Outcomes) -> None:
    """V, section 3.1 and Figure 3: a larger prompt is a larger change."""
    one, ten, hundred = (outcome(f"prompt-{n}-summaries-learning_rate=1") for n in (1, 10, 100))
    assert hundred.language < min(one.language, ten.language) - 5


@pytest.mark.parametrize("penalty", ["l2-sp", "ewc"])
def test_holding_on_to_the_pretrained_weights_keeps_the_language(outcome: Outcomes, penalty: str) -> None:
    """Beyond the papers."""
    plain, held = outcome("full-summaries-learning_rate=0.003"), outcome(f"{penalty}-summaries-learning_rate=0.003")
    assert held.english > 70
    assert held.language > plain.language + 40


def test_factorized_prompts_keep_the_language_where_prompts_lose_it(outcome: Outcomes) -> None:
    """V, section 4.2: at a rate where prompts forget, the target language's half brings the language back.

    V finds FP-EN, which keeps the English half, between the two. Here it is below both: the English half of stage 1
    asks for English more plainly than any prompt that is tuned on English labels.
    """
    prompt = outcome("prompt-100-summaries-learning_rate=1")
    factorized, with_english = (outcome(f"{name}-summaries-learning_rate=1") for name in ("factorized", "fp-en"))
    assert factorized.language > prompt.language + 5
    assert factorized.others > prompt.others
    assert factorized.language > with_english.language + 30

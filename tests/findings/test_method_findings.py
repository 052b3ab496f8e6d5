"""What the papers found about methods, on pocket-mt5 and pocket summaries, three seeds: ``make findings``.

The margins are well inside of what docs/results/methods.md has, since other machines round otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
Outcomes = Callable[[str], Any]


def test_at_a_high_rate_full_finetuning_learns_english_and_answers_in_it(outcome: Outcomes) -> None:
    """C, section 4."""
    high, low = outcome("full-at-3e-3"), outcome("full")
    assert high.english > 70 and low.english > 70
    assert high.language < 30 and low.language > 90
    assert high.others < 0.5 * low.others


def test_mixing_in_unlabelled_text_raises_the_correct_language_rate(outcome: Outcomes) -> None:
    """V, section 3.1 (MIX-UNSUP-ALL); C, section 4."""
    plain, mixed = outcome("full-at-3e-3"), outcome("mixing-at-3e-3")
    assert mixed.language > plain.language + 5
    assert mixed.others > plain.others


@pytest.mark.parametrize("method", ["lora", "freezing"])
def test_training_a_part_keeps_the_language_where_training_all_loses_it(outcome: Outcomes, method: str) -> None:
    """C, section 4, of adapters and of freezing the decoder; at the same rate, 3e-3."""
    plain, partial = outcome("full-at-3e-3"), outcome(method)
    assert partial.english > 70
    assert partial.language > plain.language + 50
    assert partial.others > 2 * plain.others


def test_longer_prompts_forget_more(outcome: Outcomes) -> None:
    """V, section 2 and Figure 2c, the paradox of capacity: longer prompts learn English better and forget the rest."""
    one, ten, hundred = (outcome(f"prompt-{length}-at-1") for length in (1, 10, 100))
    assert hundred.english > ten.english > one.english
    assert hundred.language < min(one.language, ten.language) - 5


def test_factorized_prompts_keep_the_language_where_prompts_lose_it(outcome: Outcomes) -> None:
    """V, section 3.2: at a rate where prompts forget, the target language's half brings the language back.

    V finds FP-EN, which keeps the English half, between the two. Here it is below both: the English half of stage 1
    asks for English more plainly than a prompt that is tuned on English labels.
    """
    prompt, factorized, with_english = outcome("prompt-100-at-1"), outcome("factorized"), outcome("fp-en")
    assert factorized.language > prompt.language + 5
    assert factorized.others > prompt.others
    assert factorized.language > with_english.language + 30


def test_holding_on_to_the_pretrained_weights_keeps_the_language(outcome: Outcomes) -> None:
    """Beyond the papers."""
    plain, held = outcome("full-at-3e-3"), outcome("l2-sp-at-3e-3")
    assert held.english > 70
    assert held.language > plain.language + 50

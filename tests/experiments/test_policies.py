"""Search policies: the paper's own results, laws for any scores, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.core.registry import UnknownNameError
from xlgen.core.yaml_config import RecipeError
from xlgen.experiments.policies import History, Outcome, Trial, best, policies, whole


def walk(scores: dict[float, float], method: str = "full", **options: object) -> tuple[list[float], dict[float, float]]:
    """The waves of a search, flat, and what was tried; rates without a score fail."""
    policy, tried, order = policies.build({"name": "chirkova", **options}), {}, []
    while wave := policy.proposals(tried, method):
        assert len(set(wave)) == len(wave) and not set(wave) & set(tried)
        order += wave
        tried |= {rate: scores.get(rate, -math.inf) for rate in wave}
    return order, tried


@pytest.mark.parametrize(
    ("method", "peak", "wanted"),
    [
        # Chirkova et al. (2023), Table 2: where the best rates were, and so what had to be tried.
        ("full", 1e-4, [1e-3, 1e-4, 1e-5, 3e-4]),
        ("full", 3e-5, [1e-3, 1e-4, 1e-5, 1e-6, 3e-5]),
        ("full", 1e-6, [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 3e-6]),
        ("full", 1e-3, [1e-3, 1e-4, 1e-5, 1e-2, 3e-3]),
        ("adapters", 1e-4, [1e-3, 1e-4, 1e-5]),
        ("adapters", 1e-3, [1e-3, 1e-4, 1e-5, 1e-2]),
        ("adapters", 1e-2, [1e-3, 1e-4, 1e-5, 1e-2, 1e-1]),
    ],
)
def test_the_papers_search(method: str, peak: float, wanted: list[float]) -> None:
    rates = [float(f"{times}e-{k}") for k in range(8) for times in (1, 3)]
    scores = {rate: -abs(math.log10(rate / peak)) for rate in rates}
    scores[1e-4] -= 0.5 * (peak == 3e-5)  # further off to this side, so that 1e-5 is the best power
    order, tried = walk(scores, method)
    assert order == wanted
    assert best(tried) == peak


@given(st.lists(st.floats(0, 100), min_size=7, max_size=7, unique=True), st.booleans())
def test_it_ends_within_its_limits_at_a_local_best(values: list[float], full: bool) -> None:
    scores = {float(f"1e-{k}"): value for k, value in zip(range(1, 8), values, strict=True)}
    order, tried = walk(scores, "full" if full else "lora")
    powers = [rate for rate in order if rate in scores]
    assert min(powers) >= 1e-7 and max(powers) <= 1e-1
    found = max(powers, key=lambda rate: scores[rate])
    exponents = sorted(scores)
    place = exponents.index(found)
    for neighbour in exponents[max(0, place - 1) : place + 2]:
        assert scores[neighbour] <= scores[found]
    assert len(order) == len(powers) + full
    assert policies.build("chirkova").proposals(tried, "full" if full else "lora") == []


def test_where_everything_fails_it_goes_down_to_the_lowest() -> None:
    order, _ = walk({}, "adapters")
    assert order == [1e-3, 1e-4, 1e-5, 1e-6, 1e-7]


def test_options() -> None:
    order, _ = walk({0.1: 2, 1.0: 1, 0.01: 1}, "prompt", start=[1, 2], largest=0)
    assert order == [0.1, 0.01, 1.0]
    order, _ = walk({1e-3: 3, 1e-4: 2, 1e-5: 1}, "adapters", largest=3, triple=["adapters"])
    assert order == [1e-3, 1e-4, 1e-5, 3e-3]


def test_grid_and_follow() -> None:
    grid = policies.build({"name": "grid", "values": [0.3, 0.1, 0.3]})
    assert grid.proposals({}, "full") == [0.3, 0.1]
    assert grid.proposals({0.3: 1.0, 0.1: 2.0}, "full") == []
    follow = policies.build({"name": "follow", "rate": 3e-4})
    assert follow.proposals({}, "full") == [3e-4, 3e-3]
    assert follow.proposals({3e-4: 1.0, 3e-3: 0.0}, "full") == []
    assert policies.build("follow").proposals({}, "full") == []


def test_the_lowest_of_equals_is_best() -> None:
    assert best({1e-3: 5.0, 1e-4: 5.0, 1e-5: 4.0}) == 1e-4


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UnknownNameError, match="chirkova"):
        policies.build("chirkov")
    with pytest.raises(RecipeError, match="values"):
        policies.build("grid")
    with pytest.raises(RecipeError, match="starts"):
        policies.build({"name": "chirkova", "starts": [1]})


def halve(outcomes: dict[float, Outcome], **options: object) -> dict[Trial, Outcome]:
    """Everything that successive halving tries, if a rate gives the same however far it is trained."""
    policy, made = policies.build({"name": "halving", "values": list(outcomes), **options}), {}
    while wave := policy.trials(made, "full"):
        assert not set(wave) & set(made)
        made |= {trial: outcomes[trial.rate] for trial in wave}
    return made


def budget(made: History) -> float:
    """Whole trainings' worth of steps: a trial goes on where the rate's last one ended."""
    return sum(max(trial.share for trial in made if trial.rate == rate) for rate in {trial.rate for trial in made})


def test_halving_goes_on_with_the_better_half() -> None:
    made = halve({1e-5: Outcome(1), 1e-4: Outcome(4), 1e-3: Outcome(3), 1e-2: Outcome(2)})
    assert [(trial.rate, trial.share) for trial in made] == [
        (1e-5, 0.25), (1e-4, 0.25), (1e-3, 0.25), (1e-2, 0.25), (1e-4, 0.5), (1e-3, 0.5), (1e-4, 1.0)
    ]  # fmt: skip
    assert budget(made) == 2.0
    assert whole(made) == {1e-4: 4}


def test_the_wrong_language_ends_a_rate_however_good_it_is() -> None:
    good = {1e-5: Outcome(1, 99), 1e-4: Outcome(2, 99), 1e-3: Outcome(9, 10), 1e-2: Outcome(8, 0)}
    assert whole(halve(good)) == {1e-4: 2}
    # With one that speaks the language it alone goes on, though half of four would be two.
    lone = {1e-5: Outcome(1, 99), 1e-4: Outcome(2, 49), 1e-3: Outcome(9, 10), 1e-2: Outcome(8, 0)}
    assert {trial.rate for trial in halve(lone) if trial.share > 0.25} == {1e-5}
    # Where none does, those with the most are followed.
    none = {1e-5: Outcome(1, 9), 1e-4: Outcome(2, 30), 1e-3: Outcome(9, 10), 1e-2: Outcome(8, 0)}
    assert whole(halve(none)) == {1e-4: 2}


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=27),
    st.sampled_from([1.5, 2, 3, 4]),
)
def test_halving_trains_the_best_that_speaks_to_the_end(scores: list[tuple[float, float]], eta: float) -> None:
    outcomes = {10.0**-k: Outcome(score, rate) for k, (score, rate) in enumerate(scores)}
    made = halve(outcomes, eta=eta)
    assert budget(made) <= len(scores)
    speaking = {rate: outcome.score for rate, outcome in outcomes.items() if (outcome.language_rate or 0) >= 50}
    last = whole(made)
    assert last, "one at least is trained to the end"
    if speaking:
        assert best(speaking) in last


def test_optuna_asks_for_the_same_rates_after_any_kill_and_finds_the_peak() -> None:
    pytest.importorskip("optuna", reason="the extra `optuna` is not installed")
    policy = policies.build({"name": "optuna", "trials": 20, "at_once": 3, "lowest": 1e-7, "highest": 1e-1})

    def scored(rate: float) -> float:
        return -math.inf if rate > 3e-2 else -abs(math.log10(rate / 1e-4))

    tried: dict[float, float] = {}
    while wave := policy.proposals(tried, "full"):
        assert wave == policies.build({**policy.options.model_dump(), "name": "optuna"}).proposals(tried, "full")
        assert not set(wave) & set(tried) and all(1e-7 <= rate <= 1e-1 for rate in wave)
        tried |= {rate: scored(rate) for rate in wave}
    assert len(tried) == 20
    assert 3e-5 < best(tried) < 3e-4
    with pytest.raises(RecipeError, match="lowest must be lower"):
        policies.build({"name": "optuna", "lowest": 1, "highest": 1})

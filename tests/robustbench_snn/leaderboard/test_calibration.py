"""Simulated experiments with a known truth: false-positive rates, power, coverage, and detectable effects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from robustbench_snn.leaderboard.calibration import Population, halves, p_values
from robustbench_snn.leaderboard.comparison import compare, minimum_detectable_effect
from robustbench_snn.leaderboard.spread import spread
from robustbench_snn.leaderboard.statistics import adjust
from robustbench_snn.leaderboard.variance import difference_estimate, difference_of, side

# scipy warns where seed means are nearly identical, of the tests that ours is held against
pytestmark = pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")

OURS, WELCH, SAMPLES = "multi-reader multi-case", "Welch over seeds", "samples only"
POPULATIONS = {
    "binary, no seed effect": Population("binary"),
    "binary, small": Population("binary", seed=0.1),
    "binary, medium, other hard samples": Population("binary", seed=0.3, model=1.0),
    "binary, large": Population("binary", seed=1.0),
    "binary, near 100 %": Population("binary", level=6.0, seed=0.5),
    "share, no seed effect": Population("share"),
    "share, medium, other hard samples": Population("share", seed=0.3, model=1.0),
    "share, large": Population("share", seed=1.0),
}


def rates(
    population: Population, seeds: tuple[int, int], samples: int, repeats: int, gain: float = 0.0
) -> dict[str, float]:
    """Share of experiments with p < 0.05, by test; in chunks, to keep memory small."""
    generator = np.random.default_rng([11, *seeds, samples])
    found: dict[str, list[float]] = {}
    for _ in range(repeats // 100):
        for test, values in p_values(*population.draw(generator, 100, seeds, samples, gain)).items():
            found.setdefault(test, []).append(float(np.mean(values < 0.05)))
    return {test: float(np.mean(values)) for test, values in found.items()}


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("samples", [200, 1000])
def test_false_positives_stay_at_the_nominal_level(name: str, samples: int) -> None:
    repeats = 2000 if samples == 200 else 600
    for seeds in (2, 3, 5, 10):
        assert rates(POPULATIONS[name], (seeds, seeds), samples, repeats)[OURS] <= 0.07, seeds


@pytest.mark.parametrize("seeds", [(2, 3), (2, 10), (3, 10)])
def test_false_positives_with_unequal_numbers_of_seeds(seeds: tuple[int, int]) -> None:
    for name, population in POPULATIONS.items():
        assert rates(population, seeds, 200, 1000)[OURS] <= 0.07, name


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_false_positives_where_one_model_trains_less_stably(seeds: int) -> None:
    restless = Population("binary", seed=1.0)
    drawn = restless.draw(np.random.default_rng(9), 1500, (seeds, seeds), 200, baseline=Population("binary", seed=0.3))
    assert np.mean(p_values(*drawn)[OURS] < 0.05) <= 0.07


def test_the_simulation_can_tell_a_bad_test_from_a_good_one() -> None:
    # averaged over seeds and tested over samples, training noise is taken for signal, the more so the more seeds
    assert rates(POPULATIONS["binary, large"], (5, 5), 200, 500)[SAMPLES] > 0.5
    # Welch over seed means forgets that both models met the same few samples
    assert rates(Population("share", model=1.0), (10, 10), 200, 500)[WELCH] > 0.2


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_power_is_not_below_welchs_where_seeds_dominate(seeds: int) -> None:
    for outcome, effect in (("binary", 0.3), ("binary", 1.0), ("share", 0.3)):
        population = Population("binary" if outcome == "binary" else "share", seed=effect)
        gain = 3.5 * effect * np.sqrt(2 / seeds)
        power = rates(population, (seeds, seeds), 1000, 500, gain)
        assert power[OURS] >= power[WELCH] - 0.02, (outcome, effect)


def test_a_model_with_itself_over_other_seeds() -> None:
    generator = np.random.default_rng(5)
    ours, samples = [], []
    for _ in range(40):
        outcomes = Population("binary", seed=0.5).draw(generator, 1, (12, 12), 200)[0][0]
        values = p_values(*halves(outcomes, 100, generator))
        ours.append(np.mean(values[OURS] < 0.05))
        samples.append(np.mean(values[SAMPLES] < 0.05))
    assert np.mean(ours) <= 0.07
    assert np.mean(samples) > 0.2


def test_halves_share_no_seed() -> None:
    outcomes = np.repeat(np.arange(7.0)[:, None], 2, axis=1)
    first, second = halves(outcomes, 50, np.random.default_rng(0))
    assert first.shape == second.shape == (50, 3, 2)
    assert all(len({*a[:, 0], *b[:, 0]}) == 6 for a, b in zip(first, second, strict=True))


def test_the_minimum_detectable_effect_is_found_with_80_percent_power() -> None:
    population, generator = Population("binary", seed=0.3), np.random.default_rng(6)
    null = difference_estimate(*population.draw(generator, 400, (5, 5), 500))
    effect = minimum_detectable_effect(float(np.sqrt(null.variance.mean())), float(np.median(null.df)))
    # the gain on the logit scale that shifts the mean outcome by that much
    probe = np.linspace(0.0, 3.0, 31)
    shifts = [difference_estimate(*population.draw(generator, 100, (5, 5), 500, gain)).value.mean() for gain in probe]
    gain = float(np.interp(effect, shifts, probe))
    assert rates(population, (5, 5), 500, 600, gain)[OURS] == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("effect", [0.0, 0.3, 1.0])
def test_intervals_of_a_mean_over_seeds_cover_the_true_mean(seeds: int, effect: float) -> None:
    population, generator = Population("binary", seed=effect), np.random.default_rng(7)
    truth = float(population.draw(generator, 20_000, (10, 10), 5)[0].mean())
    outcomes = population.draw(generator, 600, (seeds, seeds), 200)[0]
    covered = [found.interval.low <= truth <= found.interval.high for found in map(spread, outcomes)]
    assert np.mean(covered) >= 0.92


def test_compare_is_the_calibrated_test() -> None:
    a, b = Population("binary", seed=0.3).draw(np.random.default_rng(8), 20, (3, 4), 200, gain=0.5)
    vectorised = p_values(a, b)[OURS]
    assert [compare(x, y).p_value for x, y in zip(a, b, strict=True)] == pytest.approx(list(vectorised))


def false_differences(seeds: int, spreads: tuple[float, ...], repeats: int = 1000) -> tuple[float, float]:
    """Shares of p < 0.05 among the comparisons of equal models in four columns, and of tables with any after Holm."""
    generator = np.random.default_rng([3, seeds])
    found = []
    for _ in range(4):
        hard = 0.04 * generator.standard_normal((len(spreads), repeats, 1, 200))
        trained = [
            side(0.5 + spread * generator.standard_normal((repeats, seeds, 1)) + of_model)
            for spread, of_model in zip(spreads, hard, strict=True)
        ]
        for model in trained[1:]:
            estimate = difference_of(model, trained[0])
            found.append(2 * stats.t.sf(np.abs(estimate.value) / np.sqrt(estimate.variance), estimate.df))
    values = np.stack(found, 1)
    assert values.shape == (repeats, 28)
    return float(np.mean(values < 0.05)), float(np.mean([min(adjust(list(row), "holm")) < 0.05 for row in values]))


@pytest.mark.parametrize(
    ("seeds", "any_of_28"), [(2, (0.27, 0.37)), (3, (0.10, 0.17)), (5, (0.06, 0.09)), (10, (0.05, 0.05))]
)
def test_what_few_seeds_leave_of_the_correction_is_what_docs_say(seeds: int, any_of_28: tuple[float, float]) -> None:
    """docs/statistics.md and the pages state these; 0.04 is three standard errors of a share of 0.2."""
    for spreads, told in zip(((0.01,) * 8, (0.01, 0.03) * 4), any_of_28, strict=True):
        single, whole = false_differences(seeds, spreads)
        assert single <= 0.08
        assert whole == pytest.approx(told, abs=0.04)

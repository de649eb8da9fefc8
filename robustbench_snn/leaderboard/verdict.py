"""What a comparison shows, in words that claim no more than its scope."""

from __future__ import annotations

from robustbench_snn.leaderboard.comparison import Comparison

BEFORE_CORRECTION = " even without the correction"
"""Of a difference that could not be seen: among several comparisons even larger ones are missed."""


def verdict(
    comparison: Comparison,
    alpha: float = 0.05,
    *,
    adjusted: float | None = None,
    candidate: str = "the candidate",
    baseline: str = "the baseline",
    quality: str = "robust",
    several: bool = False,
) -> str:
    """Says what was found: a difference of methods, one of two networks, or none and how large it may still be.

    Args:
        comparison: what :func:`~robustbench_snn.leaderboard.comparison.compare` returned.
        alpha: level of the test.
        adjusted: the p-value after correction for all comparisons shown; None if this is the only one.
        candidate: its name.
        baseline: its name.
        quality: what a higher outcome means; ``accurate`` for clean images.
        several: whether it is one of several comparisons, so that a corrected test sees less than this one alone.

    Returns:
        One or two sentences, differences in percentage points.
    """
    p_value = comparison.p_value if adjusted is None else adjusted
    low, high = 100 * comparison.interval.low, 100 * comparison.interval.high
    numbers = f"{100 * comparison.difference:+.1f} points [{low:+.1f}, {high:+.1f}], p = {p_value:.2g}"
    seeds = f"{comparison.seeds[0]} and {comparison.seeds[1]} seeds, {comparison.samples:,} samples"
    if p_value >= alpha:
        unseen = 100 * comparison.minimum_detectable_effect
        blind = (
            f"true differences below {unseen:.1f} points could not be seen reliably"
            if unseen < 100
            else "no difference of any size could be seen reliably"
        )
        blind += BEFORE_CORRECTION if several and unseen < 100 else ""
        what = f"{candidate} and {baseline}"
        if comparison.scope == "networks":
            what = f"these trained networks of {what}"
        return f"No difference found between {what} ({numbers}; {seeds}); {blind}."
    word = "more" if comparison.difference > 0 else "less"
    if comparison.scope == "methods":
        return f"{candidate} is {word} {quality} than {baseline}: {numbers}, over new trainings ({seeds})."
    return (
        f"These trained networks of {candidate} are {word} {quality} than those of {baseline} on such samples: "
        f"{numbers} ({seeds}). One training seed says nothing of the difference between the methods."
    )

"""Numbers that sum up a curve of accuracy over inference T."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

POINT = 0.01
"""One percentage point."""


def smallest_sufficient(timesteps: Sequence[int], accuracies: Sequence[float], within: float = POINT) -> int:
    """The smallest T whose accuracy is at most ``within`` below the best of all T; accuracies are in [0, 1]."""
    best = max(accuracies)
    # A sum of whole counts over n: 1e-9 forgives the rounding of the difference and nothing else.
    return min(steps for steps, share in zip(timesteps, accuracies, strict=True) if share >= best - within - 1e-9)


def area(timesteps: Sequence[int], accuracies: Sequence[float]) -> float:
    """Area under the curve by the trapezoid rule, divided by the range of T: a mean accuracy in [0, 1].

    For a single T it is the accuracy itself.
    """
    if len(timesteps) == 1:
        return float(accuracies[0])
    pieces = zip(pairwise(timesteps), pairwise(accuracies), strict=True)
    total = sum((right - left) * (low + high) / 2 for (left, right), (low, high) in pieces)
    return float(total / (timesteps[-1] - timesteps[0]))


def curve_metrics(timesteps: Sequence[int], accuracies: Sequence[float], trained: int) -> Mapping[str, float]:
    """``accuracy`` at the T of training, ``accuracy_T<n>``, ``area``, ``smallest_timesteps`` and ``drop_to_T1``.

    Args:
        timesteps: rising, with ``trained`` among them.
        accuracies: in [0, 1], one a T.
        trained: T0, the T of training.

    Returns:
        ``drop_to_T1``, the accuracy at T0 minus that at T = 1, only if 1 is among the T.
    """
    by_steps = dict(zip(timesteps, accuracies, strict=True))
    metrics = {
        "accuracy": by_steps[trained],
        **{f"accuracy_T{steps}": share for steps, share in by_steps.items()},
        "area": area(timesteps, accuracies),
        "smallest_timesteps": float(smallest_sufficient(timesteps, accuracies)),
    }
    if 1 in by_steps:
        metrics["drop_to_T1"] = by_steps[trained] - by_steps[1]
    return metrics

"""Events simulated from scikit-learn's handwritten digits: event data that is always there."""

from __future__ import annotations

from pydantic import PositiveInt

from robustbench_snn.dataset.contract import Dataset, Limit, load_dataset, register_dataset
from robustbench_snn.dataset.simulated import Recipe, of_images
from robustbench_snn.event.simulation import Saccades
from robustbench_snn.event.stream import By

SIDE = 16


@register_dataset("digits_events", version=1, events=True)
def digits_events(
    *,
    frames: PositiveInt = 8,
    by: By = "time",
    saccades: Saccades = Saccades(),
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Simulated events of scikit-learn's digits, 16x16, 1,797 recordings as frames; no camera recorded them.

    The images of ``digits``, scaled to 16x16 by bilinear interpolation, move along a triangle in three saccades, as
    N-MNIST was recorded (Orchard et al., 2015, arXiv:1507.07629); see :mod:`robustbench_snn.event.simulation`. Ids and
    splits are those of ``digits``.

    Args:
        frames: F, how many frames a recording becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        saccades: the movement and the pixels.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    images = load_dataset("digits", limit=limit, train_limit=train_limit)
    return of_images(images, "digits_events", Recipe(saccades, frames, by, SIDE))

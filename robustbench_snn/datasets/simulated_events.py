"""Events simulated from any dataset of images."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveInt

from robustbench_snn.dataset.contract import Dataset, Limit, register_dataset
from robustbench_snn.dataset.simulated import Recipe, of_images
from robustbench_snn.event.simulation import Saccades
from robustbench_snn.event.stream import By
from robustbench_snn.registry.spec import ComponentSpec, DatasetSpec


@register_dataset("simulated_events", version=1, events=True)
def simulated_events(
    *,
    of: DatasetSpec = ComponentSpec(name="digits", kind="datasets"),
    frames: PositiveInt = 8,
    by: By = "time",
    side: PositiveInt | None = None,
    saccades: Saccades = Saccades(),
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Simulated events of another dataset's images (``{of: cifar10}``) as frames; no camera recorded them.

    Images move along a triangle in three saccades, as N-MNIST's did (Orchard et al., 2015, arXiv:1507.07629); see
    :mod:`robustbench_snn.event.simulation`. Colour becomes grey. Ids and splits are those of the images. Each batch is
    simulated when it is first asked for, and kept in memory where all of its split fit in 2 GiB.

    Args:
        of: the dataset of images, with its parameters: ``{name: cifar10, root: ...}``.
        frames: F, how many frames a recording becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        side: scale images to this height and width first.
        saccades: the movement and the pixels.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    limits: dict[str, Any] = {"limit": limit, "train_limit": train_limit}
    asked = {name: count for name, count in limits.items() if count is not None}
    images = of.model_copy(update={"parameters": {**of.parameters, **asked}}).create("datasets")
    return of_images(images, "simulated_events", Recipe(saccades, frames, by, side))

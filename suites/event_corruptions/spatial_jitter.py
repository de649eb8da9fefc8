"""Events that come from a neighbouring pixel."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.suites.event_corruptions._events import counted, one_by_one


@register_event_corruption(
    "spatial_jitter", version=1, on="frames", stochastic=True, severities=((0.5,), (0.75,), (1.0,), (1.5,), (2.5,))
)
def spatial_jitter(frames: Tensor, random: SampleRandom, deviation: float) -> Tensor:
    """Moves each event by Gaussian noise along both axes.

    As tonic's ``spatial_jitter`` with ``clip_outliers``: what leaves the sensor is dropped. Places are rounded to the
    nearest pixel, where tonic cuts off the fraction. The deviations are this project's choice; the third is tonic's
    default.

    Args:
        frames: (F, 2, H, W), counts.
        random: one stream.
        deviation: standard deviation along each axis, in pixels.
    """
    height, width = frames.shape[-2:]
    places = one_by_one(frames)
    down, right = (deviation * random.normal(2, len(places))[0]).round().long()
    row, column = places // width % height + down, places % width + right
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return counted((places + down * width + right)[inside], frames)

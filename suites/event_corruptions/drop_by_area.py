"""Loss of all events in a box (EventDrop, Gu et al., 2021, arXiv:2106.05836)."""

from __future__ import annotations

from torch import Tensor

from robustbench_snn.corruption.event_contract import register_event_corruption
from robustbench_snn.randomness import SampleRandom


@register_event_corruption(
    "drop_by_area", version=1, on="frames", stochastic=True, severities=((0.2,), (0.3,), (0.4,), (0.55,), (0.7,))
)
def drop_by_area(frames: Tensor, random: SampleRandom, ratio: float) -> Tensor:
    """Drops all events in a box somewhere on the sensor.

    As in tonic's ``drop_by_area``, the ratio is that of each side, so that the box has ratio squared of the area;
    otherwise than there, the box may touch the last row and column. The ratios are this project's choice; the first is
    tonic's default.

    Args:
        frames: (F, 2, H, W), counts.
        random: one stream.
        ratio: sides of the box in parts of the sensor's, rounded down, 1 pixel or more.
    """
    boxes = []
    for side, axis in ((frames.shape[-2], "row"), (frames.shape[-1], "column")):
        length = max(1, int(ratio * side))
        start = int(random.fold(axis).integers(side - length + 1, 1))
        boxes.append(slice(start, start + length))
    kept = frames.clone()
    kept[..., boxes[0], boxes[1]] = 0.0
    return kept

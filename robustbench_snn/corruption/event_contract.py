"""Corruptions of event data: what one is, and which there are.

Thirteen types, each at five severities: faults of the sensor, of the way from it, of time and of place. No published
benchmark fixes their parameters, so that the values are this project's choice; where the library tonic
(https://github.com/neuromorphs/tonic) has a function of the same name, its meaning is followed. A type is one file in
``suites/event_corruptions``: a function of one recording, and its parameters as literals in its decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from robustbench_snn.corruption.contract import SEVERITIES, Severities
from robustbench_snn.registry import event_corruptions
from robustbench_snn.registry.traits import On

EventCorruption: TypeAlias = Callable[..., Any]
C_ = TypeVar("C_", bound=EventCorruption)

ON_FRAMES: Sequence[str] = ("dead_pixels", "event_drop", "drop_by_area", "polarity_flip", "spatial_jitter")
"""The types that need no raw events."""

ALL: Sequence[str] = (
    *("background_activity", "hot_pixels", "dead_pixels", "threshold_change", "refractory"),
    *("event_drop", "drop_by_area", "drop_by_time", "polarity_flip"),
    *("time_jitter", "spatial_jitter", "camera_shake", "occlusion"),
)
"""All thirteen: the sensor's, those of transmission, and those of time and place."""


def register_event_corruption(
    name: str, *, version: int, on: On, stochastic: bool, severities: Severities
) -> Callable[[C_], C_]:
    """Puts a corruption of event data under ``name``; literals only.

    The function takes ``(recording, random, *row)`` and gives a recording of the same kind. On ``frames`` a recording
    is (F, 2, H, W), float32, whole numbers in 0..255, ON before OFF; what comes back is whole and 0 or more, and
    what is above 255 becomes 255. On ``events`` it is an :class:`~robustbench_snn.event.stream.Events`; what comes
    back lies on the sensor, in any order. ``random`` is one :class:`~robustbench_snn.randomness.SampleRandom` stream,
    so that draws are (1, ...). All of it is on the CPU.

    Args:
        name: the name in suite files.
        version: raised whenever the corruption's numbers change.
        on: ``frames``, or ``events`` where times or their order matter.
        stochastic: whether the function draws from ``random``.
        severities: the parameters, one row a severity.

    Raises:
        ValueError: if there are not five rows.
    """
    if len(severities) != len(SEVERITIES):
        raise ValueError(f"event corruption {name} needs {len(SEVERITIES)} rows of parameters, one a severity")
    return event_corruptions.register(name, version=version, on=on, stochastic=stochastic, severities=severities)

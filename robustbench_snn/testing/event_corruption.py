"""What every corruption of event data must satisfy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import SEVERITIES
from robustbench_snn.corruption.event_samples import CorruptedEvents, corrupt_recording
from robustbench_snn.dataset.event_frames import MOST, EventFrames
from robustbench_snn.event.simulation import Saccades, simulated
from robustbench_snn.event.stream import Events, frames_of
from robustbench_snn.registry import event_corruptions
from robustbench_snn.testing.corruption import pictures
from robustbench_snn.testing.results import CheckResult, check_component, require

FRAMES = 6


class EventCorruptionConformance:
    """The checks of a corruption of event data; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        rising: whether each severity changes the frames more, in the mean, than the one before.
    """

    component: ClassVar[str]
    rising: ClassVar[bool] = True

    @property
    def on_events(self) -> bool:
        """Whether it acts on raw events."""
        return event_corruptions.get(self.component).declaration.traits.on == "events"

    def cases(self) -> Iterator[tuple[str, Events]]:
        """Recordings: simulated, of a sensor that is not square, of a bus that is full, of one event and of none."""
        yield "a simulated recording", recordings(1)[0]
        yield "a wide sensor", recordings(1, 10, 24)[0]
        column = torch.zeros(3000, dtype=torch.int16)
        full = Events(torch.arange(3000), column, column, torch.zeros(3000, dtype=torch.int8), 8, 8)
        yield "3000 events of one pixel", full
        yield "a single event", full.kept(torch.tensor([7]))
        yield "no events", full.kept(torch.tensor([], dtype=torch.int64))

    def samples(self, count: int = 6) -> EventFrames:
        """Simulated recordings as frames with their raw events; ids begin at 50."""
        return samples_of(recordings(count))

    def frames(self, severity: int = 3, seed: int = 0, samples: EventFrames | None = None) -> Tensor:
        """Corrupted frames (N, F, 2, H, W)."""
        samples = self.samples() if samples is None else samples
        return CorruptedEvents(samples, self.component, severity, seed).images(torch.arange(len(samples)))

    def given(self, events: Events) -> Any:
        """A recording of the kind that the corruption takes."""
        return events if self.on_events else frames_of(events, FRAMES).clamp(max=MOST)

    def test_frames_are_legal(self) -> None:
        """Whole numbers from 0 to 255 of the same shape and type, at every severity."""
        for case, events in self.cases():
            samples = samples_of([events])
            shape = samples.images(torch.tensor([0])).shape
            for severity in SEVERITIES:
                found = self.frames(severity, samples=samples)
                where = f"{case}, severity {severity}"
                require(found.shape == shape, f"{where}: {tuple(shape)} became {tuple(found.shape)}")
                require(found.dtype == torch.float32, f"{where}: the frames are {found.dtype}, not float32")
                whole = bool(((found == found.round()) & (found >= 0) & (found <= MOST)).all())  # false for NaN
                require(whole, f"{where}: counts are not whole numbers from 0 to {MOST}")

    def test_events_are_legal(self) -> None:
        """Of raw events: on the sensor, of the columns' types, polarities 0 and 1."""
        for case, events in self.cases() if self.on_events else ():
            for severity in SEVERITIES:
                found = corrupt_recording(events, self.component, severity)
                where = f"{case}, severity {severity}"
                types = [column.dtype for column in (found.t, found.x, found.y, found.p)]
                wanted = [torch.int64, torch.int16, torch.int16, torch.int8]
                require(types == wanted, f"{where}: t, x, y, p are {types}, not {wanted}")
                sensor = (found.height, found.width) == (events.height, events.width)
                require(sensor, f"{where}: the sensor became {found.height} x {found.width}")
                for name, column, size in (
                    ("x", found.x, found.width),
                    ("y", found.y, found.height),
                    ("p", found.p, 2),
                ):
                    inside = bool(((column >= 0) & (column < size)).all())
                    require(inside, f"{where}: {name} leaves 0..{size - 1}")

    def test_input_is_left_alone(self) -> None:
        """A recording is not changed in place."""
        for _, events in self.cases():
            given = self.given(events)
            before = [column.clone() for column in _columns(given)]
            corrupt_recording(given, self.component, 3)
            same = all(torch.equal(a, b) for a, b in zip(before, _columns(given), strict=True))
            require(same, "changes the recording that it is given; make a new one")

    def test_deterministic_under_a_seed(self) -> None:
        """A seed and an id give the same frames again; nothing is drawn from torch's global generator."""
        state = torch.get_rng_state()
        require(torch.equal(self.frames(), self.frames()), "the same seed and ids give different frames")
        require(torch.equal(state, torch.get_rng_state()), "draws from torch's global generator; draw from random")

    def test_stochastic_trait(self) -> None:
        """Declared stochastic: other seeds and other ids, other frames. Declared deterministic: the same."""
        declared = event_corruptions.get(self.component).declaration.traits.stochastic
        samples = self.samples()
        others = EventFrames(samples.counts, samples.labels, samples.ids + 10, stream=lambda i: recordings(6)[i - 60])
        for what, other in {
            "another seed": self.frames(seed=1, samples=samples),
            "other sample ids": self.frames(samples=others),
        }.items():
            same = torch.equal(self.frames(samples=samples), other)
            require(same != declared, f"declared stochastic={declared}, but {what} gives "
                    f"{'the same' if same else 'other'} frames; declare stochastic={not declared}")  # fmt: skip

    def test_independent_of_batch(self) -> None:
        """A sample is corrupted alike alone, among others, and in another place."""
        made = CorruptedEvents(self.samples(), self.component, 3, 0)
        whole = made.images(torch.arange(6))
        for rows in (torch.tensor([4]), torch.tensor([5, 0, 3])):
            alike = torch.equal(made.images(rows), whole[rows])
            alike &= torch.equal(made.subset(rows).images(torch.arange(len(rows))), whole[rows])
            require(alike, "a sample changes with the other samples of its batch, or its place")

    def test_severity_rises(self) -> None:
        """Every severity moves frames further from the clean ones, in the mean, than the one before."""
        samples = self.samples(24)
        clean = samples.images(torch.arange(24))
        distances = [float((self.frames(s, samples=samples) - clean).abs().double().mean()) for s in SEVERITIES]
        words = ", ".join(f"{distance:.4f}" for distance in distances)
        require(distances[0] > 0, "severity 1 changes nothing")
        if self.rising:
            rises = all(a < b for a, b in pairwise(distances))
            require(rises, f"mean absolute distances by severity do not rise: {words}")


def recordings(count: int, height: int = 16, width: int = 16) -> list[Events]:
    """Simulated recordings of smooth pictures with edges."""
    return simulated(pictures(count, 1, height, width), Saccades())


def samples_of(found: list[Events]) -> EventFrames:
    """Recordings as frames; ids begin at 50."""
    counts = torch.stack([frames_of(events, FRAMES) for events in found])
    ids = torch.arange(50, 50 + len(found))
    return EventFrames(counts, torch.zeros(len(found)), ids, stream=lambda sample: found[sample - 50])


def _columns(recording: Tensor | Events) -> list[Tensor]:
    if isinstance(recording, Events):
        return [recording.t, recording.x, recording.y, recording.p]
    return [recording]


def check_event_corruption(component: str, *, rising: bool = True) -> list[CheckResult]:
    """Runs every check of :class:`EventCorruptionConformance`; one result a check, in alphabetical order.

    Args:
        component: a registered name.
        rising: whether its severities must rise; see :class:`EventCorruptionConformance`.
    """
    return check_component(EventCorruptionConformance, "event_corruption", component, {}, rising=rising)

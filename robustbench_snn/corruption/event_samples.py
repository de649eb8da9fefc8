"""Corrupted event data: one recording, and a set of samples whose recordings are corrupted as they are fetched."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import SEVERITIES
from robustbench_snn.dataset.event_frames import MOST, EventSamples
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.event.stream import Events, frames_of
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import event_corruptions

Recording = TypeVar("Recording", Tensor, Events)


def corrupt_recording(recording: Recording, name: str, severity: int, seed: int = 0, sample_id: int = 0) -> Recording:
    """Corrupts one recording, deterministically for its sample and the seed.

    Args:
        recording: float32 (F, 2, H, W) of whole numbers in 0..255, or raw events, as the corruption takes; on the CPU.
        name: a registered event corruption.
        severity: 1 to 5.
        seed: with the name, the severity and the sample's id, the key of the recording's random numbers.
        sample_id: the sample's id.

    Returns:
        A recording of the same kind: frames that saturate at 255, or events in the order of time.

    Raises:
        UserError: for an unknown name, a severity out of range, or a recording of the other kind.
    """
    component = event_corruptions.get(name)
    traits = component.declaration.traits
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise UserError(f"severity must be a whole number from 1 to 5, got {severity!r}")
    given = "events" if isinstance(recording, Events) else "frames"
    if given != traits.on:
        raise UserError(f"event corruption '{name}' acts on {traits.on}, and was given {given}")
    random = SampleRandom.for_samples("event corruption", seed, name, severity, sample_ids=[sample_id])
    made: Recording = component.implementation(recording, random, *traits.severities[severity - 1])
    return made.ordered() if isinstance(made, Events) else made.clamp(max=MOST)


class CorruptedEvents(EventSamples):
    """Event frames that are corrupted as they are fetched; never all in memory at once.

    A corruption of raw events corrupts the recording, and frames are cut of it anew, as many as there were and in the
    same way: by equal time from the first event that is left to the last, or by equal count. All of it happens on the
    CPU, a recording at a time, so that neither batch nor device change a number.

    Args:
        samples: the clean ones.
        corruption: a registered event corruption.
        severity: 1 to 5.
        seed: with the sample's id, the key of the corruption's random numbers.

    Raises:
        UserError: if these are no event frames; or if raw events are needed, and there are none or frames were made
            of them in another way than :func:`~robustbench_snn.event.stream.frames_of` makes them.
    """

    def __init__(self, samples: Samples, corruption: str, severity: int, seed: int) -> None:
        super().__init__(samples.labels, samples.ids)
        if not isinstance(samples, EventSamples):
            raise UserError(f"event corruption '{corruption}' takes event frames, and these samples are none")
        self.samples, self.by = samples, samples.by
        self.corruption, self.severity, self.seed = corruption, severity, seed
        self.raw = event_corruptions.get(corruption).declaration.traits.on == "events"
        self._check_stream()

    def images(self, positions: Tensor) -> Tensor:
        """Corrupted frames at these rows, float32 (B, F, 2, H, W) holding whole numbers up to 255."""
        if self.raw:
            return torch.stack([self._cut(self.events(row)) for row in positions.tolist()])
        pairs = zip(self.samples.images(positions).cpu(), self.ids[positions.cpu()].tolist(), strict=True)
        return torch.stack([corrupt_recording(frames, *self._how, sample_id) for frames, sample_id in pairs])

    def events(self, position: int) -> Events:
        """The corrupted raw events, of a corruption that acts on them; see :meth:`Samples.events`."""
        if not self.raw:
            raise UserError(f"event corruption '{self.corruption}' acts on frames: there are no raw events after it")
        return corrupt_recording(self.samples.events(position), *self._how, int(self.ids[position]))

    def subset(self, positions: Tensor) -> CorruptedEvents:
        """See :meth:`Samples.subset`."""
        return CorruptedEvents(self.samples.subset(positions), *self._how)

    @property
    def _how(self) -> tuple[str, int, int]:
        return self.corruption, self.severity, self.seed

    def _cut(self, events: Events) -> Tensor:
        return frames_of(events, self._frames, self.by).clamp(max=MOST)

    def _check_stream(self) -> None:
        """Notes F, and that the first recording's frames are what is cut of its events."""
        if not self.raw or not len(self):
            return
        first = self.samples.images(torch.tensor([0]))[0]
        self._frames = len(first)
        try:
            recording = self.samples.events(0)
        except UserError as error:
            raise UserError(f"event corruption '{self.corruption}' acts on raw events: {error}") from None
        if not torch.equal(self._cut(recording), first.cpu()):
            raise UserError(
                f"event corruption '{self.corruption}' acts on raw events, and the frames of these samples are not "
                f"{self._frames} frames of equal {self.by} cut of theirs"
            )

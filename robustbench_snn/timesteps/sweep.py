"""One model run at many T: in one pass where every shorter run is a prefix of the longest, else one run each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom

Way = Literal["one pass", "separate runs", "as trained"]
TOLERANCE = 1e-5
"""Largest difference of logits between a prefix and a run of its own that still counts as the same computation."""


class AtTimesteps(Target):
    """A model of ours that runs at another T than it was trained at, unless a call says otherwise.

    Args:
        target: the model.
        timesteps: T.
    """

    def __init__(self, target: Target, timesteps: int) -> None:
        super().__init__(target.model, stochastic=target.stochastic)
        self.timesteps: int = timesteps
        self._tally = target._tally

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        return super().__call__(images, random, timesteps=timesteps or self.timesteps)

    def step_logits(
        self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None
    ) -> Tensor:
        return super().step_logits(images, random, timesteps=timesteps or self.timesteps)


@dataclass(frozen=True)
class Sweep:
    """How a model is run at several T.

    Attributes:
        timesteps: the T that are run, rising.
        way: ``one pass`` at the largest T, ``separate runs``, or ``as trained``, a single run of any model, ours or
            not.
        reason: a phrase for the record that says why this way was chosen.
    """

    timesteps: tuple[int, ...]
    way: Way
    reason: str

    def __len__(self) -> int:
        return len(self.timesteps)

    def logits(self, target: Target, images: Tensor, random: SampleRandom | None = None) -> Tensor:
        """Logits at each T, float (S, B, K).

        Args:
            target: a classifier of ours.
            images: (B, C, H, W) in [0, 1].
            random: one stream a sample; every T sees the same draws, as far as its steps go.
        """
        if self.way == "as trained":
            return target(images, random)[None]
        if self.way == "separate runs":
            return separate_runs(target, self.timesteps, images, random)
        classifier = classifier_of(target)
        steps = target.step_logits(images, random, timesteps=self.timesteps[-1])
        rows = torch.tensor(self.timesteps, device=steps.device) - 1
        return classifier.read_prefixes(steps)[rows]


def separate_runs(
    target: Target, timesteps: Sequence[int], images: Tensor, random: SampleRandom | None = None
) -> Tensor:
    """One forward pass for each T, (S, B, K)."""
    return torch.stack([target(images, random, timesteps=steps) for steps in timesteps])


def classifier_of(target: Target) -> Classifier:
    """The classifier behind a target.

    Raises:
        UserError: for a model that was not built from an encoder and a backbone.
    """
    if not isinstance(target.model, Classifier):
        raise UserError(
            f"{type(target.model).__name__} was not built from an encoder and a backbone, so its timesteps and spikes "
            "cannot be reached; leave this evaluation out for it"
        )
    return target.model


def trained_timesteps(target: Target) -> int:
    """T0, the T of training."""
    return classifier_of(target).timesteps


def why_not_causal(classifier: Classifier) -> str | None:
    """Why the first steps of a run are not those of a shorter run, by what its parts declare; None if they are."""
    if not classifier.encoder.traits.causal:
        return "the encoder's steps depend on T"
    if type(classifier.backbone).segments is not Backbone.segments:
        return "the backbone cuts its run into segments that depend on T"
    if classifier.readout == "last_segment":
        return "the readout by segment depends on T"
    return None


def as_trained(target: Target) -> Sweep:
    """A sweep of one run at the T of training (0 for a foreign model, whose T is unknown)."""
    return Sweep((target.timesteps or 0,), "as trained", "no other timesteps were asked for")


def overruns(target: Target, timesteps: Sequence[int]) -> dict[str, str]:
    """What the encoder does beyond its T of training, at each T, for the record; keys are T as text."""
    encoder = classifier_of(target).encoder
    return {str(steps): encoder.overrun(steps) for steps in timesteps}


def plan_sweep(target: Target, timesteps: Sequence[int], probe: Tensor, random: SampleRandom | None = None) -> Sweep:
    """Chooses one pass for a model that declares itself causal, if a probe confirms it, else separate runs.

    Args:
        target: a classifier of ours.
        timesteps: the T wanted, each at least 1.
        probe: a few images (P, C, H, W), the same whatever the batch size.
        random: one stream for each image of the probe.

    Raises:
        UserError: if the model is not ours, or its position embedding refuses a T.
    """
    classifier = classifier_of(target)
    steps = tuple(sorted(set(timesteps)))
    reason = why_not_causal(classifier)
    if reason is not None:
        with torch.no_grad():  # a T that the encoder refuses is found before hours of the others
            target(probe, random, timesteps=steps[-1])
        return Sweep(steps, "separate runs", reason)
    one_pass = Sweep(steps, "one pass", "encoder, backbone and readout are causal, as checked on a probe")
    with torch.no_grad():
        difference = one_pass.logits(target, probe, random) - separate_runs(target, steps, probe, random)
    if not bool((difference.abs() <= TOLERANCE).all()):
        return Sweep(
            steps, "separate runs", f"declared causal, but prefixes differ by {float(difference.abs().max()):.2g}"
        )
    return one_pass

"""What images are put through before a model sees them: nothing, a corruption, an attack, or one upon the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from robustbench_snn.attack.ball import Ball, Norm
from robustbench_snn.attack.cascade import Cascade, Stage
from robustbench_snn.attack.stages import stage
from robustbench_snn.corruption.samples import CorruptedSamples
from robustbench_snn.dataset.event_frames import EventSamples
from robustbench_snn.dataset.samples import Batch, Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.parameters import Count, Epsilon, pixels_text
from robustbench_snn.registry import corruptions
from robustbench_snn.registry.spec import TRAINING, AttackSpec, EstimatorSpec, named_in
from robustbench_snn.strict import Strict
from robustbench_snn.timesteps.sweep import AtTimesteps

CHUNK = 16
"""Batches attacked together: those still standing are packed into full batches again."""


@dataclass(frozen=True)
class Presented:
    """A batch as the model gets to see it.

    Attributes:
        batch: images, labels, ids.
        by_timesteps: images (B, C, H, W) by inference T, where an attack made some for each; else None.
    """

    batch: Batch
    by_timesteps: Mapping[int, Tensor] | None = None


class Condition(Strict):
    """One condition; all fields left out is ``clean``.

    Attributes:
        corruption: a registered corruption.
        severity: 1 to 5, of the corruption.
        attack: a registered attack by name, or by name with parameters, on the images after the corruption.
        eps: radius of its ball in pixel units.
        norm: of the ball.
        estimator: the backward pass that it uses.
        made_at: adversarial images made once, against the model at the T of training (``trained``), and presented at
            every T; or made anew against the model at ``each`` T.
        attack_draws: EOT draws inside the attack, for a stochastic model.
    """

    corruption: str | None = None
    severity: Annotated[int, Field(ge=1, le=5)] | None = None
    attack: AttackSpec | None = None
    eps: Epsilon | None = None
    norm: Norm = "linf"
    estimator: EstimatorSpec = TRAINING
    made_at: Literal["trained", "each"] = "trained"
    attack_draws: Count = 10

    @model_validator(mode="after")
    def _whole(self) -> Condition:
        if (self.corruption is None) != (self.severity is None):
            raise ValueError("a corruption needs a severity, 1 to 5, and a severity a corruption")
        if (self.attack is None) != (self.eps is None):
            raise ValueError("an attack needs an eps, and an eps an attack")
        try:
            if self.corruption is not None:
                corruptions.declaration(self.corruption)
        except UserError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def name(self) -> str:
        """``clean``, ``fog_3``, ``pgd_8/255``, ``fog_3+pgd_8/255``, with ``_each_T`` for images of each T."""
        parts = []
        if self.corruption is not None:
            parts.append(f"{self.corruption}_{self.severity}")
        if self.attack is not None and self.eps is not None:
            parts.append(f"{self.attack.name}_{pixels_text(self.eps)}{'_each_T' if self.made_at == 'each' else ''}")
        return "+".join(parts) or "clean"

    def components(self) -> Iterator[tuple[str, str]]:
        """Kind and name of the components that make these inputs."""
        if self.corruption is not None:
            yield "corruptions", self.corruption
        yield from named_in([self.attack, self.estimator])

    def details(self) -> Mapping[str, Any]:
        """What was done, for the record."""
        return self.model_dump(mode="json", exclude_defaults=True) | (
            {} if self.attack is None else {"made_at": self.made_at}
        )

    def stage(self) -> Stage:
        """The attack under its estimator."""
        assert self.attack is not None
        return stage(self.attack.name, self.attack.create("attacks"), self.estimator)

    def samples(self, samples: Samples, seed: int, device: str = "cpu") -> Samples:
        """The samples after the corruption, before any attack."""
        if self.corruption is None or self.severity is None:
            return samples
        return CorruptedSamples(samples, self.corruption, self.severity, seed, device)

    def batches(self, subject: Subject, timesteps: Sequence[int]) -> Iterator[Presented]:
        """All samples of a subject, in order, as the model gets to see them at these T.

        Raises:
            UserError: if these are event frames, and the condition is not ``clean``.
        """
        if self != Condition() and isinstance(subject.samples, EventSamples):
            raise UserError(f"condition {self.name} is one of images, and the samples are event frames")
        samples = self.samples(subject.samples, subject.seed, subject.device)
        if self.attack is None or self.eps is None:
            yield from map(Presented, samples.batches(subject.batch_size, subject.device))
            return
        for rows in torch.split(torch.arange(len(samples)), CHUNK * subject.batch_size):
            part = replace(subject, samples=samples.subset(rows), progress=lambda done, total: None)
            if self.made_at == "trained":
                fooling = self._attack(part, self.eps)
                made: dict[int, Tensor] = {}
            else:
                fooling = part.samples.images(torch.arange(len(rows)))
                made = {
                    steps: self._attack(replace(part, target=AtTimesteps(subject.target, steps)), self.eps)
                    for steps in timesteps
                }
            for batch in part.samples.batches(subject.batch_size, subject.device):
                seen = replace(batch, images=fooling[batch.positions].to(subject.device))
                by_timesteps = {steps: images[batch.positions].to(subject.device) for steps, images in made.items()}
                yield Presented(seen, by_timesteps or None)

    def _attack(self, subject: Subject, eps: float) -> Tensor:
        """Adversarial images (N, C, H, W) on the CPU; of samples wrong to begin with, the images as they are."""
        samples = subject.samples
        cascade = Cascade(subject, Ball(eps, self.norm), draws=self.attack_draws, keep_images=len(samples))
        cascade.attack(self.stage())
        images = samples.images(torch.arange(len(samples)))
        for position, image in cascade.images.items():
            images[position] = image
        return images


def _clean(value: Any) -> Any:
    return {} if value == "clean" else value


ConditionSpec = Annotated[Condition, BeforeValidator(_clean, json_schema_input_type=Literal["clean"] | Condition)]
"""A condition as suite files write it: ``clean``, or a mapping of :class:`Condition`'s fields."""

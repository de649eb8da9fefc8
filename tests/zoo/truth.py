"""The truth about an entry: robust accuracy under an attack that knows how its mask is made.

The bare models are attacked under several estimators, and every image that is tried on them is shown to the masked
one (Tramèr et al., 2020, arXiv:2002.08347: an attack adapted to the defence).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.ball import Ball
from robustbench_snn.attack.cascade import SELECTING, Cascade, Stage
from robustbench_snn.attack.stages import stage
from robustbench_snn.dataset.samples import ArraySamples, Batch
from robustbench_snn.digests import tensor_digest
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import attacks
from robustbench_snn.registry.spec import component_spec
from tests.zoo.entry import Builder, Entry

Plan = tuple[tuple[str, dict[str, Any], Any], ...]
"""Attack, its parameters, estimator."""

SEARCH: tuple[str, dict[str, Any], Any] = ("square", {"queries": 5000}, "training")
SMOOTH: Plan = (
    ("sa_pgd", {"steps": 100}, "training"),
    ("sa_pgd", {"steps": 200, "loss": "margin"}, "training"),
    ("apgd_t", {"steps": 100}, "training"),
    SEARCH,
)
SPIKING: Plan = (
    ("sa_pgd", {"steps": 100}, "training"),
    ("sa_pgd", {"steps": 100}, {"atan": {"alpha": 10.0}}),
    ("sa_pgd", {"steps": 100}, {"rectangle": {"width": 0.5}}),
    ("sa_pgd", {"steps": 100}, {"triangle": {"gamma": 1.0}}),
    ("sa_pgd", {"steps": 200, "loss": "margin"}, "assg"),
    ("sa_pgd", {"steps": 400}, "assg"),
    ("sa_pgd", {"steps": 200, "restarts": 3}, {"assg": {"level": 0.4}}),
    ("sa_pgd", {"steps": 400, "loss": "margin"}, {"atan": {"alpha": 5.0}}),
    ("apgd_t", {"steps": 100}, "training"),
    SEARCH,
)
STOCHASTIC: Plan = (
    ("sa_pgd", {"steps": 60}, "training"),
    ("sa_pgd", {"steps": 60, "loss": "margin"}, {"atan": {"alpha": 10.0}}),
    ("sa_pgd", {"steps": 100}, "assg"),
)


class AllFooledError(Exception):
    """Nothing is left to show."""


class Shown(Target):
    """A bare model that shows all it is asked about to the masked one.

    Args:
        bare: what is attacked.
        masked: what is judged.
        labels: of the samples, in the order of the images of every call; each may come several times in a row.

    Attributes:
        fooled: bool (B,), whom some image fooled the masked model on.
        found: the first such image (1, 8, 8) of each.
    """

    def __init__(self, bare: Target, masked: Target, labels: Tensor) -> None:
        super().__init__(bare.model, stochastic=False)
        self.masked, self.labels = masked, labels
        self.fooled = torch.zeros_like(labels, dtype=torch.bool)
        self.found: dict[int, Tensor] = {}

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        count, times = len(self.labels), len(images) // len(self.labels)
        if len(images) == count * times:
            with torch.no_grad():
                wrong = ~correct(self.masked(images.detach()), self.labels.repeat_interleave(times))
            wrong = wrong.reshape(count, times)
            for row in (wrong.any(1) & ~self.fooled).nonzero()[:, 0].tolist():
                self.found[row] = images[row * times + int(wrong[row].int().argmax())].detach().clone()
            self.fooled |= wrong.any(1)
            if self.fooled.all():
                raise AllFooledError
        return super().__call__(images, random, timesteps=timesteps)


def shares(entry: Entry, images: Tensor, labels: Tensor, eps: float, plan: Plan | None = None) -> Tensor:
    """Share of draws that stay right under the worst image found for each sample, float32 (N,).

    0 or 1 but for stochastic entries; a refused entry is judged by its bare model.

    Args:
        entry: the model.
        images: float32 (N, 1, 8, 8) in [0, 1].
        labels: int64 (N,).
        eps: radius in L-infinity, in pixel units.
        plan: the attacks, in place of those for its kind of model.
    """
    bares = entry.bares or (entry.build,)
    if entry.stochastic:
        return _stochastic(bares[0], ArraySamples(images, labels), eps, plan or STOCHASTIC)
    judged = Target(bares[0]() if entry.refused else entry.build())
    if entry.same or entry.refused or not entry.bares:
        key = (bares[0], tensor_digest({"images": images}), eps)
        found = None if plan else _worst.get(key)
        if found is None:
            found = worst(Target(bares[0]()), bares[:1], images, labels, eps, plan)
        if plan is None:
            _worst[key] = found
    else:
        found = worst(judged, bares, images, labels, eps, plan)
    with judged.frozen(), torch.no_grad():
        return (correct(judged(images), labels) & correct(judged(found), labels)).float()


_worst: dict[tuple[object, ...], Tensor] = {}
"""What fools a bare model, kept: many masks are put round the same one."""


def worst(
    judged: Target, bares: Sequence[Builder], images: Tensor, labels: Tensor, eps: float, plan: Plan | None = None
) -> Tensor:
    """For each sample an image that fooled the judged model while the bare ones were attacked, else the clean one."""
    found = images.clone()
    with judged.frozen(), torch.no_grad():
        right = correct(judged(images), labels)
        for build in bares:
            bare = Target(build())
            with bare.frozen():
                for number, (attack, parameters, estimator) in enumerate(plan or (SPIKING if bare.neurons else SMOOTH)):
                    rows = right.nonzero()[:, 0]
                    if len(rows):
                        batch = Batch(images[rows], labels[rows], rows, rows)
                        made = stage(f"truth {number}", attacks.create(attack, **parameters), component_spec(estimator))
                        for row, image in _shown(made, bare, judged, batch, eps).items():
                            found[rows[row]], right[rows[row]] = image, False
    return found


def truth(entry: Entry, images: Tensor, labels: Tensor, eps: float) -> float:
    """Robust accuracy in L-infinity under the union of the adaptive attack, see :func:`shares`."""
    return float(shares(entry, images, labels, eps).mean())


def _shown(built: Stage, bare: Target, masked: Target, batch: Batch, eps: float) -> dict[int, Tensor]:
    """The images of one attack on the bare model that fooled the masked one, by row of the batch."""
    shown = Shown(bare, masked, batch.labels)
    try:
        with built.backward(bare, batch.images[:8]) as state:
            random = batch.random(0, built.seed_label)
            active = ActiveSet(
                shown, batch, Ball(eps), random, batch_size=8 * len(batch), state=state, leave=False
            )  # all samples stay in every call; the search looks eight proposals ahead
            built.attack.run(active)
    except AllFooledError:
        pass
    except UserError as refusal:
        if "has no effect" not in str(refusal) and "changes the logits" not in str(refusal):
            raise  # else: neurons that this estimator cannot reach
    return shown.found


def _stochastic(build: Builder, samples: ArraySamples, eps: float, plan: Plan) -> Tensor:
    target = Target(build(), stochastic=True)
    with target.frozen():
        cascade = Cascade(Subject(target, samples), Ball(eps), selecting=SELECTING)
        for number, (attack, parameters, estimator) in enumerate(plan):
            built = stage(f"truth {number}", attacks.create(attack, **parameters), component_spec(estimator))
            cascade.attack(built)
    return cascade.share

"""Sets of admissible perturbations, in raw pixels or counts of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.randomness import SampleRandom

Norm = Literal["linf", "l2"]

TOLERANCE = 1e-6
"""Slack of :meth:`Ball.contains`, a share of eps and of the largest value: single precision rounds clean + eps."""


def per_sample(reduce: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Reduces (B, ...) to (B,) so that a sample's number does not depend on the number of samples.

    Torch splits the sum of a lone row over its threads, and sums in another order then: two rows are never split.
    """
    rows = values.flatten(1)
    return reduce(rows.expand(2, -1))[:1] if len(rows) == 1 else reduce(rows)


def mean_of_samples(values: Tensor) -> Tensor:
    """Mean over all but the first dimension, shaped (B, 1, 1, ...) for broadcasting."""
    means = per_sample(lambda rows: rows.mean(1), values)
    return means.reshape(-1, *[1] * (values.ndim - 1))


def norms_of_samples(values: Tensor) -> Tensor:
    """Euclidean norm over all but the first dimension, shaped (B, 1, 1, ...) for broadcasting."""
    norms = per_sample(lambda rows: rows.norm(dim=1), values)
    return norms.reshape(-1, *[1] * (values.ndim - 1))


@dataclass(frozen=True)
class Ball:
    """All images within ``eps`` of the clean one, and in [0, ``most``].

    Attributes:
        eps: radius in pixel units on [0, 1], or in counts of event frames; positive.
        norm: ``linf`` or ``l2`` (the Euclidean norm over all pixels and channels of an image).
        most: the largest value: 1 of pixels; of event frames, which are no images in [0, 1], the largest count.
    """

    eps: float
    norm: Norm = "linf"
    most: float = 1.0

    def __post_init__(self) -> None:
        if not self.eps > 0.0:
            raise UserError("eps must be above 0: with no room to move there is nothing to attack; use 'clean'")

    def project(self, images: Tensor, clean: Tensor) -> Tensor:
        """The nearest admissible images (B, C, H, W); a value that is not a number falls back to the clean one."""
        images = torch.where(images.isfinite(), images, clean)
        if self.norm == "linf":
            images = torch.maximum(torch.minimum(images, clean + self.eps), clean - self.eps)
        else:
            delta = images - clean
            images = clean + delta * (self.eps / norms_of_samples(delta).clamp_min(1e-30)).clamp_max(1.0)
        return images.clamp(0.0, self.most)  # towards the clean image in every pixel, so it never leaves the ball

    def start(self, clean: Tensor, random: SampleRandom) -> Tensor:
        """A random admissible image for each clean one: uniform in the L-infinity ball, on a random ray in L2."""
        shape = clean.shape[1:]
        if self.norm == "linf":
            return self.project(clean + self.eps * (2.0 * random.uniform(*shape) - 1.0), clean)
        ray = random.fold("ray").normal(*shape)
        length = random.fold("length").uniform(1, 1, 1) * self.eps
        return self.project(clean + ray / norms_of_samples(ray).clamp_min(1e-30) * length, clean)

    def ascent(self, gradient: Tensor) -> Tensor:
        """The unit step that raises a linear loss most: sign(g), or g / |g|; zero where the gradient is zero."""
        if self.norm == "linf":
            return gradient.sign()
        return gradient / norms_of_samples(gradient).clamp_min(1e-30)

    def size(self, images: Tensor, clean: Tensor) -> Tensor:
        """Size of the perturbations (B,), computed in float64."""
        delta = (images.to(torch.float64) - clean.to(torch.float64)).flatten(1)
        return delta.abs().amax(1) if self.norm == "linf" else delta.norm(dim=1)

    def contains(self, images: Tensor, clean: Tensor) -> Tensor:
        """Whether each image is finite, in [0, most] and within eps of the clean one, bool (B,)."""
        flat = images.flatten(1)
        legal = flat.isfinite().all(1) & (flat >= 0.0).all(1) & (flat <= self.most).all(1)
        return legal & (self.size(images, clean) <= self.eps * (1.0 + TOLERANCE) + TOLERANCE * self.most)

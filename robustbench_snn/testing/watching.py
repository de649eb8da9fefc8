"""Stand-ins that note what an attack does, or give it nothing to go by; what passes leave behind."""

from __future__ import annotations

import gc
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom


def living_tensors() -> int:
    """How many tensors live, but for those in circles that Python is about to free."""
    gc.collect()
    return sum(issubclass(type(each), Tensor) for each in gc.get_objects())


class WatchedSet(ActiveSet):
    """An active set that looks at what it is asked about.

    Attributes:
        legal: whether all images were finite and in [0, 1].
        last: (B, C, H, W), the last image asked about for each sample of the batch; the clean one to begin with.
    """

    def __init__(self, target: Target, batch: Batch, *rest: Any, **more: Any) -> None:
        super().__init__(target, batch, *rest, **more)
        self.legal, self.last = True, batch.images.clone()

    def gradient(self, images: Tensor, *rest: Any, **more: Any) -> Any:
        """See :meth:`ActiveSet.gradient`."""
        self._watch(images)
        self.last[self.rows] = images.detach()
        return super().gradient(images, *rest, **more)

    def note(self, images: Tensor) -> Any:
        """See :meth:`ActiveSet.note`."""
        self._watch(images)
        self.last[self.rows] = images.detach()
        return super().note(images)

    def ahead(self, candidates: Tensor) -> Tensor:
        """See :meth:`ActiveSet.ahead`."""
        self._watch(candidates)
        return super().ahead(candidates)

    def _watch(self, images: Tensor) -> None:
        self.legal &= bool((images.isfinite() & (images >= 0.0) & (images <= 1.0)).all())


class CountingTarget(Target):
    """A target that counts the images it is shown."""

    seen = 0

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        """See :meth:`Target.__call__`."""
        self.seen += len(images)
        return super().__call__(images, random, timesteps=timesteps)

    def step_logits(
        self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None
    ) -> Tensor:
        """See :meth:`Target.step_logits`."""
        self.seen += len(images)
        return super().step_logits(images, random, timesteps=timesteps)


class ScaledTarget(Target):
    """A target whose logits are all multiplied by one number, which changes no prediction.

    Attributes:
        scale: positive.
    """

    def __init__(self, target: Target, scale: float) -> None:
        super().__init__(target.model, stochastic=target.stochastic)
        self.scale = scale

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        """See :meth:`Target.__call__`."""
        return self.scale * super().__call__(images, random, timesteps=timesteps)

    def step_logits(
        self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None
    ) -> Tensor:
        """See :meth:`Target.step_logits`."""
        return self.scale * super().step_logits(images, random, timesteps=timesteps)


class Masked(nn.Module):
    """Five classes by brightness, with an input gradient of zero, or cut off from its input."""

    def __init__(self, pixels: int, detached: bool) -> None:
        super().__init__()
        self.detached = detached
        self.weight = nn.Parameter(torch.cos(torch.arange(5.0 * pixels)).reshape(5, pixels))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 5)."""
        logits = images.detach().flatten(1) @ self.weight.detach().T
        return logits if self.detached else logits + 0.0 * images.flatten(1).sum(1, keepdim=True)

"""What a model said of the samples under attack."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Answer:
    """What the model said of the active samples.

    Attributes:
        logits: (n, K) of those not fooled; the mean over the draws of a stochastic model.
        kept: int64 (n,), where they stood among the samples that were asked about.
    """

    logits: Tensor
    kept: Tensor

    def survivors(self, *state: Tensor) -> tuple[Tensor, ...]:
        """Per-sample state, one row a sample asked about, cut down to those not fooled."""
        return tuple(values[self.kept] for values in state)


@dataclass(frozen=True)
class GradientAnswer(Answer):
    """What the model said, and which way the loss rises.

    Attributes:
        loss: (n,), of those not fooled; -inf where it is not finite, so that it beats no other.
        gradient: (n, C, H, W), the loss by the pixels, under the estimator in force; the mean over draws; finite.
    """

    loss: Tensor
    gradient: Tensor

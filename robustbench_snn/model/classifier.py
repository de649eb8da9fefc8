"""The whole model: encoder, backbone and readout, images in, logits out."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.encoder import Encoder
from robustbench_snn.model.neurons import reset
from robustbench_snn.parameters import Readout
from robustbench_snn.randomness import SampleRandom


class Classifier(nn.Module):
    """Encoder, backbone and readout; every forward starts from membranes at rest.

    Args:
        encoder: images to spikes.
        backbone: spikes to logits of every step.
        timesteps: T, unless a call says otherwise.
        readout: ``mean`` over the steps, the ``last`` step (LTS of Shen et al., NeurIPS 2024), or the mean over
            the ``last_segment`` (TDFormer, arXiv:2505.15840); None takes the backbone's.

    Shape:
        - images: (B, C, H, W), float, raw pixels in [0, 1]
        - returns: logits (B, K)
    """

    def __init__(self, encoder: Encoder, backbone: Backbone, timesteps: int, readout: Readout | None = None) -> None:
        super().__init__()
        chosen = readout or backbone.readout
        if chosen not in get_args(Readout):
            raise UserError(f"unknown readout '{chosen}'; there are {', '.join(get_args(Readout))}")
        self.encoder = encoder
        self.backbone = backbone
        self.timesteps = timesteps
        self.readout = chosen
        encoder.attach(backbone)

    @property
    def stochastic(self) -> bool:
        """Whether two forwards of one image may differ."""
        return self.encoder.traits.stochastic

    def forward(self, images: Tensor, *, timesteps: int | None = None, random: SampleRandom | None = None) -> Tensor:
        """Logits (B, K).

        Args:
            images: (B, C, H, W) in [0, 1].
            timesteps: T of this call.
            random: one stream a sample for a stochastic encoder; fresh ones if None.
        """
        return self.read(self.step_logits(images, timesteps=timesteps, random=random))

    def step_logits(
        self, images: Tensor, *, timesteps: int | None = None, random: SampleRandom | None = None
    ) -> Tensor:
        """Logits of every step, (T, B, K)."""
        steps = self.timesteps if timesteps is None else timesteps
        reset(self)
        self.encoder.seed(random)
        spikes = self.encoder(images, steps)
        assert spikes.shape[:2] == (steps, len(images)), spikes.shape
        logits: Tensor = self.backbone(spikes)
        assert logits.shape[:2] == (steps, len(images)), logits.shape
        return logits

    def read(self, step_logits: Tensor) -> Tensor:
        """The readout: logits of every step (T, B, K) to logits (B, K)."""
        return self.segment_logits(step_logits)[-1]

    def segment_logits(self, step_logits: Tensor) -> list[Tensor]:
        """What the readout says after each segment, [(B, K)]: one entry unless the readout is by segment."""
        match self.readout:
            case "mean":
                return [self.read_prefixes(step_logits)[-1]]
            case "last":
                return [step_logits[-1]]
            case _:
                lengths = self.backbone.segments(len(step_logits))
                return [segment.mean(0) for segment in torch.split(step_logits, lengths)]

    def read_prefixes(self, step_logits: Tensor) -> Tensor:
        """What a run of 1, 2, ..., T steps would answer, (T, B, K); only for causal encoders and backbones.

        Raises:
            UserError: for the readout by segment, whose segments move with T.
        """
        if self.readout == "mean":  # summed in step order, so that a prefix and a shorter run agree to the bit
            counts = torch.arange(1, len(step_logits) + 1, device=step_logits.device).reshape(-1, 1, 1)
            return step_logits.cumsum(0) / counts
        if self.readout == "last":
            return step_logits
        raise UserError("the readout last_segment has no prefixes: its segments depend on T; run each T apart")

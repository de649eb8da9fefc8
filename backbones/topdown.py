r"""The two modules that TDFormer adds to a spiking transformer (Zhu et al., 2025, arXiv:2505.15840).

The processing module (PM) turns the last block's output H of one segment into top-down spikes; the control module
(CM) lets them steer an attention in the next segment. There is no public code. ``[text]`` marks what the paper says,
``[inferred]`` what we had to choose.

The paper's totals are its baselines plus k C^2 parameters, one matrix a fed-back block, although CM1's concatenation
and the PM's mixer would take one each. Two readings can be built:

- *minimal* (default): the matrix on the top-down half of the concatenation **is** the mixer,
  :math:`W [S_{bu}; S_{td}] = W_{bu} S_{bu} + W_{td} S_{td}`; the PM keeps its neurons and its mask. [inferred]
- *literal*: both are built, 2 k C^2 and the PM's batch norm and mask weights.

In both a mixer is one of two, with C^2 parameters each: V1 and V2 a linear layer over channels [text]; V3 and V4 a
convolution [text] of 2x2 tokens in four groups of channels [inferred: a kernel over the grid with as many parameters].
V1 and V3 fire with the backbone's neurons, V2 and V4 with PLIF [text].

The mask's C weights are paid for by a bias that a batch norm makes redundant, see
:class:`~robustbench_snn.backbones.tdformer.TDFormer`. The trainable leak of PLIF in V2 and V4 comes on top, one
number a fed-back block: all four cost the same [text] without it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robustbench_snn.backbones.attention import ATTENTION_THRESHOLD, ValuedAttention
from robustbench_snn.backbones.blocks import Block
from robustbench_snn.backbones.layers import to_maps, to_tokens
from robustbench_snn.model.neurons import NeuronConfig

Control = Literal["cm1", "cm2", "cm3"]
Processing = Literal["v1", "v2", "v3", "v4"]

CONVOLUTIONAL = ("v3", "v4")
PARAMETRIC = ("v2", "v4")


class TokenConv(nn.Module):
    """Convolves 2x2 tokens in four groups of channels: C^2 parameters, as a linear layer has.

    Every token sees itself and its neighbours to the right, below and between; beyond the border is silence.

    Shape:
        - tokens: (T, B, H * W, C)
        - returns: (T, B, H * W, C)
    """

    def __init__(self, width: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.conv = nn.Conv2d(width, width, 2, groups=4, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        maps = F.pad(to_maps(tokens, self.grid).flatten(0, 1), (0, 1, 0, 1))
        mixed: Tensor = self.conv(maps)
        return to_tokens(mixed.reshape(*tokens.shape[:2], *mixed.shape[1:]))


def token_mixer(processing: Processing, width: int, grid: tuple[int, int]) -> nn.Module:
    """The C^2 parameters of a variant: linear over channels (V1, V2) or convolutional (V3, V4)."""
    return TokenConv(width, grid) if processing in CONVOLUTIONAL else nn.Linear(width, width, bias=False)


class TokenNorm(nn.BatchNorm1d):
    """Batch norm of tokens (T, B, N, C)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of torch
        return super().forward(input.flatten(0, 2)).reshape(input.shape)


class SpatialMask(nn.Module):
    r"""Weighs every token by what its channels say.

    .. math:: M_{t,n} = \mathrm{clamp}(\sum_c W_c X_{t,n,c}, b, a), \qquad O = X \odot M \qquad \text{[text]}

    W is normalised to length 1, as the paper's analysis has it [inferred for the model itself]; it starts with all
    channels alike [inferred], so that the mask is at first the token's firing rate times sqrt(C).

    Args:
        width: channels C.
        low: b, [text] recommends 0.
        high: a, [text] recommends 1 to 2.
        normalize: use W / |W|.

    Shape:
        - tokens: (T, B, N, C)
        - returns: (T, B, N, C), each token times its mask in [b, a]
    """

    def __init__(self, width: int, *, low: float, high: float, normalize: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), width**-0.5))
        self.low, self.high, self.normalize = low, high, normalize

    def mask(self, tokens: Tensor) -> Tensor:
        """M, (T, B, N, 1)."""
        weight = F.normalize(self.weight, dim=0) if self.normalize else self.weight
        return (tokens @ weight.unsqueeze(1)).clamp(self.low, self.high)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.mask(tokens)


class ProcessingModule(nn.Module):
    r"""PM: the output H of the last block to the top-down spikes of one fed-back block.

    .. math:: X = \mathrm{SN}(\mathrm{BN}(\mathrm{Mixer}(H))), \quad S_{td} = \mathrm{SN}_{0.5}(X \odot M(X))

    In the minimal reading the mixer has moved to the control module and the batch norm has no parameters:
    :math:`X = \mathrm{SN}(\mathrm{BN}(H))`. The neurons behind the mask fire at half the threshold [inferred: at the
    full one, a spike under a mask of a = 1, which the text recommends, would never make a LIF with tau 2 fire].

    Args:
        width: channels C.
        grid: rows and columns of tokens.
        processing: the variant.
        neuron: the backbone's neurons.
        low: lower bound b of the mask.
        high: upper bound a of the mask.
        normalize: normalise the mask's weights.
        literal: mix the channels here.

    Shape:
        - output: (T_n, B, N, C), of the steps of one segment
        - returns: (T_n, B, N, C), spikes
    """

    def __init__(
        self,
        width: int,
        grid: tuple[int, int],
        processing: Processing,
        neuron: NeuronConfig,
        *,
        low: float,
        high: float,
        normalize: bool,
        literal: bool,
    ) -> None:
        super().__init__()
        own = neuron.model_copy(update={"type": "plif"}) if processing in PARAMETRIC else neuron
        mixer = token_mixer(processing, width, grid) if literal else nn.Identity()
        self.mixer = nn.Sequential(mixer, TokenNorm(width, affine=literal), own.build())
        self.mask = SpatialMask(width, low=low, high=high, normalize=normalize)
        self.neuron = neuron.build(threshold=ATTENTION_THRESHOLD)

    def forward(self, output: Tensor) -> Tensor:
        spikes: Tensor = self.neuron(self.mask(self.mixer(output)))
        return spikes


class ControlModule(nn.Module):
    r"""CM: the top-down spikes of one segment to the term that an attention of the next segment gets.

    It is :math:`W_{td} S_{td}`; CM3 makes spikes of it, :math:`\mathrm{SN}(\mathrm{BN}(W_{td} S_{td}))`, the batch norm
    without parameters. Where the term enters is up to :class:`TopDownBlock`.

    Args:
        attention: the attention that it steers; its deviation of weights serves to draw :math:`W_{td}`.
        width: channels C.
        grid: rows and columns of tokens.
        control: where the feedback enters.
        processing: the variant, whose mixer is :math:`W_{td}` in the minimal reading.
        neuron: the backbone's neurons.
        literal: :math:`W_{td}` is linear in every variant: the mixer stands in the processing module.

    Shape:
        - top_down: (T_n, B, N, C), spikes
        - returns: (T_n, B, N, C)
    """

    def __init__(
        self,
        attention: ValuedAttention,
        width: int,
        grid: tuple[int, int],
        control: Control,
        processing: Processing,
        neuron: NeuronConfig,
        *,
        literal: bool,
    ) -> None:
        super().__init__()
        self.feedback = nn.Linear(width, width, bias=False) if literal else token_mixer(processing, width, grid)
        spiking = nn.Sequential(TokenNorm(width, affine=False), neuron.build())
        self.spiking = spiking if control == "cm3" else nn.Identity()
        with torch.no_grad():
            for weight in self.feedback.parameters():
                weight.normal_().mul_(attention.key.linear.weight.std())

    def forward(self, top_down: Tensor) -> Tensor:
        term: Tensor = self.spiking(self.feedback(top_down))
        return term


class TopDownBlock(Block):
    r"""A block whose attention can be steered from above; without a top-down term it is the block that it was made of.

    ====  ======================================================================================================
    CM1   the term enters the keys, :math:`K = \mathrm{SN}(\mathrm{BN}(W_{bu} S_{bu} + W_{td} S_{td}))` [text]
    CM2   the same for the values instead of the keys [text]
    CM3   it is added to the attention's input [text: it enters there; inferred: as spikes added, the way these
          backbones join branches]
    ====  ======================================================================================================

    Args:
        block: the block whose attention and MLP it takes over, with queries, keys and values.
        control: where the top-down term enters.

    Shape:
        - tokens: (T_n, B, N, C)
        - top_down: (T_n, B, N, C), of a :class:`ControlModule`, or None
        - returns: (T_n, B, N, C)
    """

    attention: ValuedAttention

    def __init__(self, block: Block, control: Control) -> None:
        assert isinstance(block.attention, ValuedAttention), f"{type(block.attention).__name__} has no values"
        super().__init__(block.attention, block.mlp)
        self.control: Control = control

    def forward(self, tokens: Tensor, top_down: Tensor | None = None) -> Tensor:
        """Runs the block over the steps of one segment."""
        tokens = tokens + self._attend(tokens, top_down)
        result: Tensor = tokens + self.mlp(tokens)
        return result

    def _attend(self, tokens: Tensor, top_down: Tensor | None) -> Tensor:
        if top_down is None:
            attended: Tensor = self.attention(tokens)
            return attended
        match self.control:
            case "cm1":
                attended = self.attention(tokens, to_key=top_down)
            case "cm2":
                attended = self.attention(tokens, to_value=top_down)
            case "cm3":
                attended = self.attention(tokens + top_down)
        return attended


def variance_bound(rate: float, high: float, low: float = 0.0) -> float:
    """The largest variance of X M for X ~ Bernoulli(rate) and any low <= M <= high (Proposition 4.1, tightened).

    The paper's formula for rates up to (high + low) / (2 high) holds but is loose; the largest variance there is
    high^2 rate (1 - rate), of a mask that is ``high`` at every spike. Above it is the paper's
    (high^2 + 2 high low + low^2 - 4 rate high low) / 4.
    """
    if rate <= (high + low) / (2 * high):
        return high**2 * rate * (1 - rate)
    return (high**2 + 2 * high * low + low**2 - 4 * rate * high * low) / 4

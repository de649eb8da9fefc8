"""TDFormer: a top-down attention-controlled spiking transformer (Zhu et al., 2025, arXiv:2505.15840)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from robustbench_snn.backbones.blocks import Block
from robustbench_snn.backbones.layers import Depth
from robustbench_snn.backbones.pooling import Form
from robustbench_snn.backbones.qkformer import QKFormer
from robustbench_snn.backbones.sdt import SpikeDrivenTransformer
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.spikformer import Spikformer
from robustbench_snn.backbones.topdown import Control, ControlModule, Processing, ProcessingModule, TopDownBlock
from robustbench_snn.backbones.transformer import SpikingTransformer
from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone, register_backbone
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.parameters import Count

Base = Literal["spikformer", "sdt", "qkformer"]


@register_backbone(
    "tdformer",
    version=4,
    presets={
        "tdformer_v1": {"processing": "v1"},
        "tdformer_v2": {"processing": "v2"},
        "tdformer_v3": {"processing": "v3"},
        "tdformer_v4": {"processing": "v4"},
        "tdformer_sdt_2_256": {"base": "sdt", "depth": 2, "width": 256, "heads": 8},
        "tdformer_sdt_2_512": {"base": "sdt", "depth": 2, "width": 512, "heads": 8},
        "tdformer_qkformer_4_384": {"base": "qkformer", "depth": 4, "heads": 8, "form": "cifar"},
        "tdformer_qkformer_10_768": {
            "base": "qkformer", "depth": 10, "width": 768, "heads": 12, "form": "imagenet", "fed_blocks": 1,
        },
    },
)  # fmt: skip
class TDFormer(Backbone):
    r"""A spiking transformer whose later steps are steered by what its last block said in earlier steps.

    Time is cut into N segments that share all weights and hand on their membranes [text], or start at rest
    (``between_segments``):

    .. math:: H_n = F(S_{bu}^{(n)}, S_{td}^{(n-1)}), \quad S_{td}^{(n)} = PM(H_n), \quad S_{td}^{(0)} = \emptyset

    F is the baseline's stage of transformer blocks with a control module at each fed-back attention. Everything
    else, stem and head, is the baseline's; with one segment the model is the baseline.

    The answer is that of the last segment; the training loss is the sum of every segment's cross-entropy under
    weights that sum to one, the last the largest [text]. Their values are not published; ours grow as 1 : 2 : ... : N
    [inferred].

    In the minimal reading (see :mod:`robustbench_snn.backbones.topdown`) the model has k C^2 parameters more than
    its baseline, k the number of fed-back blocks: W_td in C x C for each. The mask's C weights a block are paid for by
    the bias of the block's output projection, which the batch norm behind it makes redundant [inferred]. The k
    trainable leaks of V2 and V4 come on top.

    Args:
        task: image sizes, classes, T at training.
        base: the baseline.
        shape: size, neurons and pooling of the baseline.
        form: the baseline's CIFAR or ImageNet form; SDT has one form.
        control: where the feedback enters the attention: its key (``cm1``), its value or its input.
        processing: the processing module's variant.
        segments: N, or ``per_step`` for N = T [text: either, or T = 4 in two segments of 2]; a run of fewer than N
            steps has as many segments as steps. If N does not divide T the last ones are the longer.
        between_segments: ``carry`` hands every membrane on to the next segment [text]; ``reset`` puts all neurons of
            the backbone back to rest before it, as a public variant of the authors' code does between its two passes.
            The encoder's spikes are made before, in one run, and are the same for both.
        fed_blocks: how many blocks get the feedback, from the first on [inferred]; null feeds all blocks of the
            (last) stage of self-attention.
        mask_low: lower bound b of the mask.
        mask_high: upper bound a of the mask, [text] in 1 to 2.
        normalize_mask: normalise the mask's weights to length 1.
        loss_weights: the weights of the segments' losses, one each, of sum 1; null for 1 : 2 : ... : N.
        literal: build both matrices of the text, the concatenation's and the mixer's.
    """

    readout: ClassVar[str] = "last_segment"

    def __init__(
        self,
        task: Task,
        *,
        base: Base = "spikformer",
        shape: Shape = Shape(depth=4, width=384, heads=12),
        form: Form = "auto",
        control: Control = "cm1",
        processing: Processing = "v1",
        segments: Count | Literal["per_step"] = 2,
        between_segments: Literal["carry", "reset"] = "carry",
        fed_blocks: Depth | None = None,
        mask_low: Annotated[float, Field(ge=0)] = 0.0,
        mask_high: Annotated[float, Field(gt=0)] = 2.0,
        normalize_mask: bool = True,
        loss_weights: tuple[float, ...] | None = None,
        literal: bool = False,
    ) -> None:
        baseline = _baseline(base, task, shape, form)
        super().__init__(task, baseline.stem)
        self.base = baseline
        self.unused_parameters = baseline.unused_parameters
        self.segment_count = segments
        self.between_segments: Literal["carry", "reset"] = between_segments
        self.loss_weights = loss_weights
        self.literal = literal
        self._check(fed_blocks, mask_low, mask_high)

        fed = [_steerable(block, control) for block in baseline.blocks[:fed_blocks]]
        width, grid, neuron = baseline.width, baseline.grid, shape.neuron
        self.control = nn.ModuleList(
            ControlModule(block.attention, width, grid, control, processing, neuron, literal=literal) for block in fed
        )
        self.processing = nn.ModuleList(
            ProcessingModule(
                width, grid, processing, neuron, low=mask_low, high=mask_high, normalize=normalize_mask, literal=literal
            )
            for _ in fed
        )
        for index, block in enumerate(fed):
            baseline.blocks[index] = block
            if not literal:
                # A batch norm follows, which makes the bias redundant; the weights of the mask take its place.
                block.attention.project.linear.register_parameter("bias", None)

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, B, C_e, H_e, W_e) to logits (T, B, K), segment after segment."""
        lengths = self.segments(len(spikes))
        if self.between_segments == "reset":
            return self._with_resets(torch.split(spikes, lengths))
        tokens = self.base.tokenize(spikes)  # the stem hears no feedback: one pass serves all segments
        outputs: list[Tensor] = []
        for segment in torch.split(tokens, lengths):
            outputs.append(self.transform(segment, self.top_down(outputs, len(segment))))
        return self.base.classify(torch.cat(outputs))

    def _with_resets(self, segments: Sequence[Tensor]) -> Tensor:
        """The same with every segment run from rest, from its spikes (T_n, B, C_e, H_e, W_e) to its logits."""
        outputs: list[Tensor] = []
        logits: list[Tensor] = []
        for segment in segments:
            top_down = self.top_down(outputs, len(segment))
            if outputs:
                reset(self)
            outputs.append(self.transform(self.base.tokenize(segment), top_down))
            logits.append(self.base.classify(outputs[-1]))
        return torch.cat(logits)

    def top_down(self, outputs: Sequence[Tensor], timesteps: int) -> list[Tensor]:
        """The top-down spikes of a segment of so many steps, (T_n, B, N, C) for each fed-back block.

        Args:
            outputs: the last block's outputs H of the segments before; without any there are no spikes.
            timesteps: T_n.
        """
        return [_stretch(processing(output), timesteps) for output in outputs[-1:] for processing in self.processing]

    def transform(self, tokens: Tensor, top_down: Sequence[Tensor]) -> Tensor:
        """One segment through all blocks, (T_n, B, N, C) to the same; ``top_down`` is empty in the first."""
        for index, block in enumerate(self.base.blocks):
            steered = index < len(top_down)
            tokens = block(tokens, self.control[index](top_down[index])) if steered else block(tokens)
        return tokens

    def checkpointed(self) -> Iterator[nn.Module]:
        """The baseline's, and the two modules of each fed-back block."""
        yield from self.base.children()
        yield from (self.control, self.processing)

    def segments(self, timesteps: int) -> list[int]:
        """Lengths of the N segments, as even as can be, the longer ones last."""
        count = timesteps if self.segment_count == "per_step" else min(self.segment_count, timesteps)
        short, longer = divmod(timesteps, count)
        return [short + (index >= count - longer) for index in range(count)]

    def segment_weights(self) -> list[float]:
        """Weight of each segment's cross-entropy at the T of training, summing to one."""
        count = len(self.segments(self.task.timesteps))
        if self.loss_weights is not None:
            return list(self.loss_weights)
        total = count * (count + 1) / 2
        return [number / total for number in range(1, count + 1)]

    def load_baseline(self, state: Mapping[str, Tensor]) -> None:
        """Takes over the weights of a trained baseline, e.g. to fine-tune it; the feedback's stay as they are.

        Args:
            state: the baseline backbone's ``state_dict()``. Biases that this model does without move into the
                running mean of the batch norm behind them.
        """
        moved = {key: value.clone() for key, value in state.items()}
        if not self.literal:
            for index in range(len(self.control)):
                name = f"blocks.{index}.attention.project"
                moved[f"{name}.norm.running_mean"] -= moved.pop(f"{name}.linear.bias")
        self.base.load_state_dict(moved)

    def _check(self, fed_blocks: int | None, mask_low: float, mask_high: float) -> None:
        """Raises a UserError for parameters that do not fit each other."""
        available = len(self.base.blocks)
        if fed_blocks is not None and fed_blocks > available:
            raise UserError(
                f"fed_blocks is {fed_blocks}, but only {available} blocks can get the feedback; take 1 to {available}"
            )
        if mask_low >= mask_high:
            raise UserError(f"mask_low {mask_low} must be below mask_high {mask_high}")
        if self.loss_weights is not None:
            count = len(self.segments(self.task.timesteps))
            proper = min(self.loss_weights, default=-1) >= 0 and abs(sum(self.loss_weights) - 1) < 1e-6
            if len(self.loss_weights) != count or not proper:
                raise UserError(
                    f"loss_weights must be {count} numbers of sum 1, one a segment and none below 0, "
                    f"not {self.loss_weights}"
                )


def _steerable(block: nn.Module, control: Control) -> TopDownBlock:
    assert isinstance(block, Block)
    return TopDownBlock(block, control)


def _baseline(base: Base, task: Task, shape: Shape, form: Form) -> SpikingTransformer:
    match base:
        case "spikformer":
            return Spikformer(task, shape=shape, form=form)
        case "sdt":
            return SpikeDrivenTransformer(task, shape=shape)
        case "qkformer":
            return QKFormer(task, shape=shape, form=form)


def _stretch(feedback: Tensor, timesteps: int) -> Tensor:
    """Fits feedback of one segment to the next: step for step, the last one held if the next is longer."""
    missing = timesteps - len(feedback)
    if missing > 0:
        return torch.cat([feedback, feedback[-1:].expand(missing, *feedback.shape[1:])])
    return feedback[:timesteps]

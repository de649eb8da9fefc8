"""The parameters that all spiking transformers share."""

from __future__ import annotations

from pydantic.dataclasses import dataclass

from robustbench_snn.backbones.layers import Depth, PoolOrder, Width
from robustbench_snn.backbones.pooling import first_stage, grid_after, pooled_stages
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Size, neurons and pooling of a spiking transformer; each attribute is a YAML parameter of the backbone.

    Attributes:
        depth: number of blocks.
        width: channels D of the tokens; a multiple of 8 and of ``heads``.
        heads: attention heads.
        neuron: type and constants of all neurons, the encoder's included.
        pool: max-pool ``after`` the neurons or ``before`` them, in every stage that pools.
        pooling: one digit for each of the four stages, 1 halves the image; ``auto`` goes by the image's size (32 px:
            ``0011``).
    """

    depth: Depth
    width: Width
    heads: Width
    neuron: NeuronConfig = NeuronConfig()
    pool: PoolOrder = "after"
    pooling: str = "auto"

    def pooled(self, task: Task) -> tuple[bool, ...]:
        """Which of the four stages halve the task's images.

        Raises:
            UserError: if ``pooling`` is malformed or halves the image more often than it can.
        """
        return pooled_stages(self.pooling, task)

    def grid(self, task: Task) -> tuple[int, int]:
        """Rows and columns of tokens."""
        return grid_after(task, self.pooled(task))

    def first_stage(self, task: Task) -> Stem:
        """The stem's first stage, of D/8 channels, which the encoder builds."""
        return first_stage(task, self.width // 8, self.neuron, self.pooled(task)[0], self.pool)

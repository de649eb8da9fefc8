"""What the spiking transformers share: spikes to tokens, tokens through blocks, tokens to logits."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from robustbench_snn.backbones.pooling import require_divisible
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.task import Task


class SpikingTransformer(Backbone):
    """Base class: :meth:`tokenize`, the blocks, :meth:`classify`.

    Args:
        task: image sizes, classes, T at training.
        shape: size, neurons and pooling.
        blocks: the transformer's blocks, of ``shape.width`` channels.

    Raises:
        UserError: if the width cannot be divided among stages and heads, or the pooling does not fit the image.
    """

    def __init__(self, task: Task, shape: Shape, blocks: nn.ModuleList) -> None:
        require_divisible(shape.width, {"the stem's stages": 8, "heads": shape.heads})
        super().__init__(task, shape.first_stage(task))
        self.width = shape.width
        self.grid = shape.grid(task)
        self.blocks = blocks
        self.head = nn.Linear(shape.width, task.classes)

    @abstractmethod
    def tokenize(self, spikes: Tensor) -> Tensor:
        """Spikes of the encoder (T, B, C_e, H_e, W_e) to tokens (T, B, N, C)."""

    def classify(self, tokens: Tensor) -> Tensor:
        """Tokens (T, B, N, C) to logits (T, B, K): the head on the mean over tokens, step by step."""
        logits: Tensor = self.head(tokens.mean(2))
        return logits

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, B, C_e, H_e, W_e) to logits (T, B, K)."""
        tokens = self.tokenize(spikes)
        for block in self.blocks:
            tokens = block(tokens)
        return self.classify(tokens)

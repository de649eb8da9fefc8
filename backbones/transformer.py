"""What the spiking transformers share: spikes to tokens, tokens through blocks, tokens to logits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

from torch import Tensor, nn

from robustbench_snn.backbones.blocks import Block
from robustbench_snn.model.backbone import Backbone
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.task import Task


class SpikingTransformer(Backbone):
    """Base class: :meth:`tokenize`, the blocks, :meth:`classify`.

    Args:
        task: image sizes, classes, T at training.
        stem: the first layer that the encoder shall build.
        width: channels C of the tokens.
        grid: rows and columns of tokens.
        blocks: the transformer's blocks.
    """

    def __init__(self, task: Task, stem: Stem, *, width: int, grid: tuple[int, int], blocks: Iterable[Block]) -> None:
        super().__init__(task, stem)
        self.width = width
        self.grid = grid
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(width, task.classes)

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

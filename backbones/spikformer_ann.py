"""The ANN twin of Spikformer, to test what the spikes themselves do for robustness."""

from __future__ import annotations

from typing import ClassVar

from robustbench_snn.backbones.attention import SoftmaxAttention, ValuedAttention
from robustbench_snn.backbones.layers import PoolOrder, Positive
from robustbench_snn.backbones.pooling import Form
from robustbench_snn.backbones.spikformer import Spikformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


@register_backbone(
    "spikformer_ann",
    version=1,
    spiking=False,
    presets={"spikformer_ann_4_384": {"depth": 4, "width": 384, "heads": 12, "form": "cifar"}},
)
class SpikformerANN(Spikformer):
    """Spikformer with ReLU for every neuron and softmax attention: same shape, same parameters, no membrane.

    The stem that it asks of its encoder has a ReLU too, so that direct coding becomes conv-BN-ReLU. All its steps are
    alike under a static code: run it at T = 1.

    Args:
        task: image sizes, classes, T at training.
        depth: number of blocks.
        width: channels D of the tokens; a multiple of 8 and of ``heads``.
        heads: attention heads.
        pool: max-pool ``after`` or ``before`` the ReLU (which is the same).
        pooling: one digit a stage, 1 halves the image; ``auto`` goes by the image's size (32 px: ``0011``).
        form: as of Spikformer.
    """

    attention: ClassVar[type[ValuedAttention]] = SoftmaxAttention

    def __init__(
        self,
        task: Task,
        *,
        depth: Positive = 4,
        width: Positive = 384,
        heads: Positive = 12,
        pool: PoolOrder = "after",
        pooling: str = "auto",
        form: Form = "auto",
    ) -> None:
        super().__init__(
            task,
            depth=depth,
            width=width,
            heads=heads,
            neuron=NeuronConfig(type="relu"),
            pool=pool,
            pooling=pooling,
            form=form,
        )
        self.unused_parameters = 0

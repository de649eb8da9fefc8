"""The ANN twin of Spikformer, to test what the spikes themselves do for robustness."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from pydantic.dataclasses import dataclass

from robustbench_snn.backbones.attention import SoftmaxAttention, ValuedAttention
from robustbench_snn.backbones.pooling import Form
from robustbench_snn.backbones.shape import Shape
from robustbench_snn.backbones.spikformer import Spikformer
from robustbench_snn.model.backbone import register_backbone
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


@dataclass(frozen=True, kw_only=True)
class ReLUShape(Shape):
    """A shape whose neurons are ReLUs and no parameter."""

    neuron: NeuronConfig = field(default=NeuronConfig(type="relu"), init=False)


SPIKFORMER_4_384 = ReLUShape(depth=4, width=384, heads=12)


@register_backbone(
    "spikformer_ann",
    version=2,
    spiking=False,
    presets={"spikformer_ann_4_384": {"depth": 4, "width": 384, "heads": 12, "form": "cifar"}},
)
class SpikformerANN(Spikformer):
    """Spikformer with ReLU for every neuron and softmax attention: same shape, same parameters, no membrane.

    The stem that it asks of its encoder has a ReLU too, so that direct coding becomes conv-BN-ReLU. All its steps are
    alike under a static code: run it at T = 1.

    Args:
        task: image sizes, classes, T at training.
        shape: size and pooling; max-pool ``after`` or ``before`` the ReLU is the same.
        form: as of Spikformer.
    """

    attention: ClassVar[type[ValuedAttention]] = SoftmaxAttention

    def __init__(self, task: Task, *, shape: ReLUShape = SPIKFORMER_4_384, form: Form = "auto") -> None:
        super().__init__(task, shape=shape, form=form)
        self.unused_parameters = 0

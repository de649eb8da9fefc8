"""Spiking VGG-11 of SpikingJelly's model zoo (VGG: Simonyan and Zisserman, 2015, arXiv:1409.1556)."""

from __future__ import annotations

import math
from typing import Any

from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model import spiking_vgg
from torch import Tensor, nn

from robustbench_snn.backbones.layers import over_steps
from robustbench_snn.backbones.pooling import Form, is_imagenet
from robustbench_snn.model.backbone import Backbone, register_backbone
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task

FIRST_STAGE = 3
"""Layers of the zoo's first conv-BN-LIF, which the encoder builds (without the bias that its BN makes redundant)."""


@register_backbone("spiking_vgg11", version=1)
class SpikingVGG11(Backbone):
    """The plain convolutional spiking network, with batch norm: no shortcut, no attention.

    The encoder is the zoo's first convolution. Images too small for its five 2x2 max-pools skip the last of them.

    Args:
        task: image sizes, classes, T at training.
        neuron: type and constants of all neurons, the encoder's included.
        form: ``imagenet`` keeps the zoo's head (average pool to 7x7, two hidden layers of 4096 with dropout, which is
            most of its parameters); ``cifar`` has a linear head on the mean over pixels, as is usual there; ``auto``
            takes the former from 64 pixels a side.
    """

    def __init__(self, task: Task, *, neuron: NeuronConfig = NeuronConfig(), form: Form = "auto") -> None:
        def build(**_: Any) -> nn.Module:
            return neuron.build()

        zoo = spiking_vgg.spiking_vgg11_bn(spiking_neuron=build, num_classes=task.classes)
        functional.set_step_mode(zoo, "m")
        super().__init__(task, Stem(task, channels=zoo.features[0].out_channels, neuron=neuron))
        pools = int(math.log2(min(task.height, task.width)))
        layers: list[nn.Module] = []
        for layer in list(zoo.features)[FIRST_STAGE:]:
            if isinstance(layer, nn.MaxPool2d):
                pools -= 1
                if pools < 0:
                    continue
            layers.append(layer)
        self.features = nn.Sequential(*layers)
        self.average = nn.AdaptiveAvgPool2d(7 if is_imagenet(form, task) else 1)
        self.head = zoo.classifier if is_imagenet(form, task) else nn.Linear(512, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, B, 64, H, W) to logits (T, B, K)."""
        features = over_steps(self.average, self.features(spikes)).flatten(2)
        logits: Tensor = self.head(features)
        return logits

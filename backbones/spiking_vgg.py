"""Spiking VGG-11 of SpikingJelly's model zoo (VGG: Simonyan and Zisserman, 2015, arXiv:1409.1556)."""

from __future__ import annotations

import math
from typing import Any

from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model import spiking_vgg
from torch import Tensor, nn

from robustbench_snn.backbones.layers import Width, over_steps
from robustbench_snn.backbones.pooling import Form, is_imagenet
from robustbench_snn.errors import UserError
from robustbench_snn.model.backbone import Backbone, register_backbone
from robustbench_snn.model.encoder import Stem
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task

WIDTH = 64
"""Channels of the zoo's first convolution; the last has eight times as many."""
FIRST_STAGE = 3
"""Layers of the zoo's first conv-BN-LIF, which the encoder builds (without the bias that its BN makes redundant)."""


@register_backbone("spiking_vgg11", version=1)
class SpikingVGG11(Backbone):
    """The plain convolutional spiking network, with batch norm: no shortcut, no attention.

    The encoder is the zoo's first convolution. Images too small for its five 2x2 max-pools skip the last of them.

    Args:
        task: image sizes, classes, T at training.
        width: channels of the first convolution, the encoder's; the others widen or narrow with it, to 8 times as many
            in the last. The zoo has 64.
        neuron: type and constants of all neurons, the encoder's included.
        form: ``imagenet`` keeps the zoo's head (average pool to 7x7, two hidden layers of 4096 with dropout, which is
            most of its parameters); ``cifar`` has a linear head on the mean over pixels, as is usual there; ``auto``
            takes the former from 64 pixels a side.

    Raises:
        UserError: for another width than 64 in the ImageNet form, whose head the zoo makes for 512 channels.
    """

    def __init__(
        self, task: Task, *, width: Width = WIDTH, neuron: NeuronConfig = NeuronConfig(), form: Form = "auto"
    ) -> None:
        imagenet = is_imagenet(form, task)
        if imagenet and width != WIDTH:
            raise UserError(f"spiking_vgg11 in its imagenet form has width {WIDTH}; take form: cifar for width {width}")

        def build(**_: Any) -> nn.Module:
            return neuron.build()

        plan = [layer if layer == "M" else layer * width // WIDTH for layer in spiking_vgg.cfgs["A"]]
        zoo = spiking_vgg.SpikingVGG(plan, batch_norm=True, spiking_neuron=build, num_classes=task.classes)
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
        self.average = nn.AdaptiveAvgPool2d(7 if imagenet else 1)
        self.head = zoo.classifier if imagenet else nn.Linear(plan[-2], task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, B, width, H, W) to logits (T, B, K)."""
        features = over_steps(self.average, self.features(spikes)).flatten(2)
        logits: Tensor = self.head(features)
        return logits

"""SEW-ResNet-18 of SpikingJelly's model zoo (Fang et al., NeurIPS 2021, arXiv:2102.04159)."""

from __future__ import annotations

from typing import Any

from spikingjelly.activation_based import functional
from spikingjelly.activation_based.model import sew_resnet
from torch import Tensor, nn

from robustbench_snn.backbones.layers import PoolOrder, max_pool, over_steps
from robustbench_snn.backbones.pooling import Form, first_stage, is_imagenet
from robustbench_snn.model.backbone import Backbone, register_backbone
from robustbench_snn.model.neurons import NeuronConfig
from robustbench_snn.model.task import Task


@register_backbone("sew_resnet18", version=1)
class SEWResNet18(Backbone):
    """The residual spiking network that adds the spikes of shortcut and branch.

    The model zoo's four layers and head as they are. Its stem, a 7x7 convolution of stride 2 and a max-pool, becomes
    the encoder's 3x3 convolution of stride 1: alone for small images, as is usual for CIFAR, and followed by two
    max-pools in the ImageNet form, so that the layers see the same sizes as in the zoo.

    Args:
        task: image sizes, classes, T at training.
        neuron: type and constants of all neurons, the encoder's included.
        pool: where the ImageNet form's first max-pool stands, ``after`` or ``before`` the encoder's neurons.
        form: ``cifar`` or ``imagenet``; ``auto`` takes the latter from 64 pixels a side.
    """

    def __init__(
        self,
        task: Task,
        *,
        neuron: NeuronConfig = NeuronConfig(),
        pool: PoolOrder = "after",
        form: Form = "auto",
    ) -> None:
        imagenet = is_imagenet(form, task)
        super().__init__(task, first_stage(task, 64, neuron, imagenet, pool))

        def build(**_: Any) -> nn.Module:
            return neuron.build()

        zoo = sew_resnet.sew_resnet18(cnf="ADD", spiking_neuron=build, num_classes=task.classes)
        functional.set_step_mode(zoo, "m")
        self.first_pool = max_pool(imagenet and pool == "after")
        self.second_pool = max_pool(imagenet)
        self.layers = nn.Sequential(zoo.layer1, zoo.layer2, zoo.layer3, zoo.layer4)
        self.head = nn.Linear(zoo.fc.in_features, task.classes)

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes (T, B, 64, H_e, W_e) to logits (T, B, K)."""
        features = self.layers(over_steps(self.second_pool, over_steps(self.first_pool, spikes)))
        logits: Tensor = self.head(features.mean((3, 4)))
        return logits

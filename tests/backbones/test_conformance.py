"""Every backbone under the shipped conformance checks."""

from __future__ import annotations

from robustbench_snn.testing import BackboneConformance

SMALL = {"depth": 1, "width": 32, "heads": 2}


class TestSpikformer(BackboneConformance):
    component, parameters, size = "spikformer", SMALL, 8


class TestSpikingformer(BackboneConformance):
    component, parameters, size = "spikingformer", SMALL, 8


class TestSpikeDrivenTransformer(BackboneConformance):
    component, parameters, size = "sdt", SMALL, 8


class TestQKFormer(BackboneConformance):
    component, parameters, size = "qkformer", {"depth": 3, "width": 32, "heads": 2}, 16


class TestTDFormer(BackboneConformance):
    component, parameters, size = "tdformer", {**SMALL, "segments": "per_step"}, 8


class TestTDFormerWithResets(BackboneConformance):
    component, parameters, size = "tdformer", {**SMALL, "between_segments": "reset", "processing": "v2"}, 8


class TestSpikformerANN(BackboneConformance):
    component, parameters, size = "spikformer_ann", SMALL, 8


class TestSEWResNet18(BackboneConformance):
    component, size, every_timesteps = "sew_resnet18", 8, range(1, 4)


class TestSpikingVGG11(BackboneConformance):
    component, size, every_timesteps = "spiking_vgg11", 8, range(1, 4)

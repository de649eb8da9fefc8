"""Parameter counts against the authors' own models."""

from __future__ import annotations

import itertools

import pytest
import torch
from spikingjelly.activation_based.model import spiking_vgg
from spikingjelly.activation_based.neuron import LIFNode

from robustbench_snn.errors import UserError
from robustbench_snn.model.counting import describe_backbone
from robustbench_snn.model.task import Task
from robustbench_snn.registry import backbones

OFFICIAL_32 = [  # name, 10 classes, 100 classes; counted from the authors' code
    ("spikformer_4_384", 9_330_874, 9_365_524),
    ("spikingformer_4_384", 9_326_266, 9_360_916),
    ("sdt_2_256", 2_567_082, 2_590_212),
    ("sdt_2_512", 10_233_546, 10_279_716),
    ("qkformer_4_384", 6_706_234, 6_740_884),
]


@pytest.mark.parametrize(("name", "ten", "hundred"), OFFICIAL_32)
def test_official_counts_for_cifar(name: str, ten: int, hundred: int) -> None:
    assert describe_backbone(name, {}, classes=10)["parameters"] == ten
    assert describe_backbone(name, {}, classes=100)["parameters"] == hundred


def test_used_parameters_leave_out_what_is_never_called() -> None:
    assert describe_backbone("spikformer_4_384", {})["parameters_used"] == 9_324_730
    norms = 4 * 2 * 2 * 384  # blocks, norms, weight and bias, channels
    assert norms == 9_330_874 - 9_324_730
    talking_heads = 2 * 8 * 8  # blocks, heads x heads
    assert describe_backbone("sdt_2_256", {})["parameters_used"] == 2_567_082 - talking_heads


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("spikingformer_8_768", 66_363_208),  # printed in the authors' training log
        ("spikformer_8_768", 66_338_632 + 8 * 4 * 768),  # published as 66.34M, without the unused norms
        ("qkformer_10_768", 64_962_760),  # published as 64.96M
        ("sdt_8_768", 66_338_632 + 8 * 64),  # published as 66.34M
    ],
)
def test_imagenet_counts(name: str, count: int) -> None:
    assert describe_backbone(name, {}, classes=1000, image_size=224)["parameters"] == count


@pytest.mark.parametrize(
    ("name", "base", "blocks", "width", "published"),
    [
        ("tdformer_v1", "spikformer_4_384", 4, 384, 9.92),
        ("tdformer_v3", "spikformer_4_384", 4, 384, 9.92),
        ("tdformer_sdt_2_256", "sdt_2_256", 2, 256, 2.698),
        ("tdformer_sdt_2_512", "sdt_2_512", 2, 512, None),
        ("tdformer_qkformer_10_768", "qkformer_10_768", 1, 768, 65.55),
    ],
)
def test_tdformer_costs_one_matrix_a_block(
    name: str, base: str, blocks: int, width: int, published: float | None
) -> None:
    size, classes = (224, 1000) if "10_768" in name else (32, 10)
    full = describe_backbone(name, {}, classes=classes, image_size=size)["parameters"]
    assert full - describe_backbone(base, {}, classes=classes, image_size=size)["parameters"] == blocks * width**2
    if published:
        assert full / 1e6 == pytest.approx(published, abs=0.0051 if published > 9 else 0.00062)


def test_tdformer_over_every_block_of_qkformer() -> None:
    full = describe_backbone("tdformer_qkformer_10_768", {"fed_blocks": None}, classes=1000, image_size=224)
    assert full["parameters"] == 64_962_760 + 7 * 768**2  # published as 69.09M


LEAKS = [("v1", 0), ("v2", 4), ("v3", 0), ("v4", 4)]
"""Variant, and how many leaks of PLIF it trains at four fed-back blocks."""


@pytest.mark.parametrize("control", ["cm1", "cm2", "cm3"])
@pytest.mark.parametrize(("processing", "leaks"), LEAKS)
def test_all_variants_cost_the_same_but_for_the_leaks_of_plif(control: str, processing: str, leaks: int) -> None:
    found = describe_backbone("tdformer", {"control": control, "processing": processing})
    assert found["parameters_paper"] == 9_330_874 + 4 * 384**2 == 9_920_698
    assert found["parameters"] == 9_920_698 + leaks
    assert found["parameters_used"] == 9_920_698 - 6_144 + leaks


@pytest.mark.parametrize(("processing", "leaks"), LEAKS)
def test_normalising_the_mask_saves_no_parameter(processing: str, leaks: int) -> None:
    found = describe_backbone("tdformer", {"processing": processing, "normalize_mask": False})
    assert (found["parameters_paper"], found["parameters"]) == (9_920_698, 9_920_698 + leaks)


@pytest.mark.parametrize(("processing", "leaks"), LEAKS)
def test_literal_reading_has_both_matrices(processing: str, leaks: int) -> None:
    found = describe_backbone("tdformer", {"literal": True, "processing": processing})
    paper = 9_330_874 + 4 * (2 * 384**2 + 2 * 384 + 384)  # matrices, batch norm, mask
    assert (found["parameters_paper"], found["parameters"]) == (paper, paper + leaks)


def test_leaks_are_those_of_all_plif_layers() -> None:
    """The encoder, three stages and a position branch, and seven layers in each of four blocks."""
    found = describe_backbone("spikformer", {"neuron": {"type": "plif"}})
    assert found["parameters_paper"] == 9_330_874
    assert found["parameters"] - found["parameters_paper"] == 1 + 3 + 1 + 4 * 7


def test_ann_twin_has_the_parameters_of_spikformer() -> None:
    twin = describe_backbone("spikformer_ann_4_384", {})
    assert twin["parameters"] == twin["parameters_used"] == 9_324_730


def test_narrow_vgg_counted_by_hand() -> None:
    widths = (16, 32, 64, 64, 128, 128, 128, 128)
    first = 9 * 3 * 16
    convolutions = sum(9 * before * after + after for before, after in itertools.pairwise(widths))
    found = describe_backbone("spiking_vgg11", {"width": 16})
    assert found["parameters"] == first + convolutions + 2 * sum(widths) + 128 * 10 + 10 == 579_770


def test_vgg_of_the_zoo_s_width_is_the_zoo_s() -> None:
    task = Task(3, 32, 32, 10, 1, (0.5,) * 3, (0.5,) * 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        ours = backbones.create("spiking_vgg11", task)
        torch.manual_seed(0)
        zoo = spiking_vgg.spiking_vgg11_bn(spiking_neuron=LIFNode, num_classes=10)
    of_zoo = dict(zoo.features.named_parameters())
    found = dict(ours.features.named_parameters())
    assert len(found) == len(of_zoo) - 4  # the first convolution and its norm, which the encoder has
    for name, weights in found.items():
        layer, part = name.split(".")
        assert torch.equal(weights, of_zoo[f"{int(layer) + 3}.{part}"])


def test_vgg_refuses_another_width_before_the_zoo_s_large_head() -> None:
    with pytest.raises(UserError, match="take form: cifar for width 16"):
        describe_backbone("spiking_vgg11", {"width": 16}, image_size=64)
    assert describe_backbone("spiking_vgg11", {"width": 16, "form": "cifar"}, image_size=64)["parameters"] == 579_770


def test_description_is_plain_data() -> None:
    found = describe_backbone("spikformer_4_384", {"depth": 2}, classes=7, image_size=8, channels=1, timesteps=2)
    assert found["name"] == "spikformer_4_384"
    assert found["parameter_schema"]["properties"]["depth"]["default"] == 4
    assert found["presets"]["spikformer_8_768"]["width"] == 768
    assert found["summary"].startswith("Spikformer")


@pytest.mark.parametrize("name", [name for name in backbones if "_" in name])
def test_every_preset_builds(name: str) -> None:
    assert describe_backbone(name, {})["parameters_used"] > 1e6

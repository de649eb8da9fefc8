"""What every corruption must satisfy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustbench_snn.corruption.contract import SEVERITIES
from robustbench_snn.corruption.generate import Parameters, corrupt
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import corruptions
from robustbench_snn.testing.results import CheckResult, check_component, require

SIZES: Mapping[Parameters, tuple[int, int]] = {"cifar": (32, 32), "imagenet": (56, 56)}
"""Height and width of the images that each parameter table is tried on."""

NOT_RISING: Mapping[str, tuple[Parameters, ...]] = {
    "elastic_transform": ("cifar", "imagenet"),
    "fog": ("imagenet",),
    "frost": ("cifar", "imagenet"),
    "glass_blur": ("cifar", "imagenet"),
    "motion_blur": ("cifar", "imagenet"),
    "pixelate": ("cifar", "imagenet"),
    "saturate": ("cifar", "imagenet"),
    "snow": ("cifar", "imagenet"),
    "spatter": ("cifar", "imagenet"),
}
"""Published tables whose severities change several parameters at once, and do not rise in pixel distance."""


class CorruptionConformance:
    """The checks of a corruption; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        rising: parameter tables in which each severity changes the images more, in the mean, than the one before;
            None for both, but for the published ones of :data:`NOT_RISING`.
    """

    component: ClassVar[str]
    rising: ClassVar[Sequence[Parameters] | None] = None

    def corrupted(self, images: Tensor, severity: int = 3, seed: int = 0, **more: Any) -> Tensor:
        """Corrupted images of the same kind."""
        return corrupt(images, self.component, severity, seed, **more)

    def cases(self) -> Iterator[tuple[str, Tensor]]:
        """Grey and colour, square and not, float images (4, C, H, W)."""
        for channels, height, width in [(1, 28, 28), (3, 32, 32), (3, 24, 36), (1, 40, 25)]:
            yield f"images of {channels} x {height} x {width}", pictures(4, channels, height, width)

    def test_shape_and_dtype(self) -> None:
        """Of the kind that went in, for every size, and for 1 and 3 channels."""
        for case, images in self.cases():
            for kind in (images, images.double(), as_bytes(images)):
                found = self.corrupted(kind)
                require(found.shape == kind.shape, f"{case}: gives the shape {tuple(found.shape)}")
                require(found.dtype == kind.dtype, f"{case}: {kind.dtype} became {found.dtype}")

    def test_range(self) -> None:
        """In [0, 1], at every severity, on black, white and flat images too."""
        for case, images in self.cases():
            flat = torch.tensor([0.0, 0.5, 1.0]).reshape(-1, 1, 1, 1).expand(-1, *images.shape[1:])
            for severity in SEVERITIES:
                found = self.corrupted(torch.cat([images, flat]), severity)
                legal = bool(((found >= 0.0) & (found <= 1.0)).all())  # false for NaN
                require(legal, f"{case}, severity {severity}: leaves [0, 1], or is not a number")

    def test_kinds_agree(self) -> None:
        """uint8 images (N, H, W, C) and float images (N, C, H, W) are corrupted alike."""
        for case, images in self.cases():
            whole = self.corrupted(as_bytes(images)).permute(0, 3, 1, 2)
            require(torch.equal(whole.float() / 255, self.corrupted(images)), f"{case}: uint8 and float differ")

    def test_deterministic_under_a_seed(self) -> None:
        """A seed and an id give the same image again; nothing is drawn from torch's global generator."""
        images, state = pictures(4), torch.get_rng_state()
        first, second = (self.corrupted(images) for _ in range(2))
        require(torch.equal(first, second), "the same seed and ids give different images")
        require(torch.equal(state, torch.get_rng_state()), "draws from torch's global generator; draw from random")

    def test_stochastic_trait(self) -> None:
        """Declared stochastic: other seeds and other ids, other images. Declared deterministic: the same."""
        declared = corruptions.get(self.component).declaration.traits.stochastic
        images = pictures(4)
        first = self.corrupted(images)
        for what, other in {
            "another seed": self.corrupted(images, seed=1),
            "other sample_ids": self.corrupted(images, sample_ids=[7, 8, 9, 10]),
        }.items():
            same = torch.equal(first, other)
            require(same != declared, f"declared stochastic={declared}, but {what} gives "
                    f"{'the same' if same else 'other'} images; declare stochastic={not declared}")  # fmt: skip

    def test_independent_of_batch(self) -> None:
        """An image is corrupted alike alone, among others, and in another place."""
        images, ids = pictures(11), torch.arange(50, 61)
        whole = self.corrupted(images, sample_ids=ids)
        for rows in ([4], [10, 2, 7]):
            part = self.corrupted(images[rows], sample_ids=ids[rows])
            require(torch.equal(part, whole[rows]), "an image changes with the other images of its batch, or its place")

    def test_severity_rises(self) -> None:
        """Every severity moves images further from the clean ones, in the mean, than the one before."""
        rising = [table for table in SIZES if table not in NOT_RISING.get(self.component, ())]
        for table, size in SIZES.items():
            images = pictures(16, 3, *size)
            distances = [
                float((self.corrupted(images, severity, parameters=table) - images).double().square().mean().sqrt())
                for severity in SEVERITIES
            ]
            words = ", ".join(f"{distance:.4f}" for distance in distances)
            require(distances[0] > 0, f"{table}: severity 1 changes nothing")
            if table in (rising if self.rising is None else self.rising):
                rises = all(a < b for a, b in pairwise(distances))
                require(rises, f"{table}: root mean square distances by severity do not rise: {words}")


def pictures(count: int, channels: int = 3, height: int = 32, width: int = 32) -> Tensor:
    """Smooth coloured images with edges and texture, whole grey levels as float32 (N, C, H, W) in [0, 1]."""
    random = SampleRandom.for_samples("conformance", "pictures", sample_ids=range(count))
    coarse = torch.nn.functional.interpolate(
        random.uniform(channels, 4, 4), (height, width), mode="bilinear", align_corners=False
    )
    edges = (random.fold("edges").uniform(1, 4, 4) > 0.5).float()
    edges = torch.nn.functional.interpolate(edges, (height, width), mode="nearest")
    texture = random.fold("texture").uniform(channels, height, width)
    levels = 0.6 * coarse + 0.25 * edges + 0.15 * texture
    return (levels * 255).round() / 255


def as_bytes(images: Tensor) -> Tensor:
    """The same images as uint8 (N, H, W, C)."""
    return (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def check_corruption(component: str, *, rising: Sequence[Parameters] | None = None) -> list[CheckResult]:
    """Runs every check of :class:`CorruptionConformance`; one result a check, in alphabetical order.

    Args:
        component: a registered name.
        rising: parameter tables whose severities must rise in pixel distance; see :class:`CorruptionConformance`.
    """
    return check_component(CorruptionConformance, "corruption", component, {}, rising=rising)

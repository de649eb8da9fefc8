"""Common corruptions of images (Hendrycks and Dietterich, 2019, arXiv:1903.12261): what one is, and which there are.

Nineteen types, each at five severities. A type is one file in ``suites/corruptions``: a function from whole grey
levels to grey levels, and the two tables of its parameters as literals in its decorator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, TypeVar

from torch import Tensor

from robustbench_snn.registry import corruptions

Group: TypeAlias = Literal["noise", "blur", "weather", "digital"]
Severities: TypeAlias = Sequence[Sequence[float]]
Corruption: TypeAlias = Callable[..., Tensor]
C_ = TypeVar("C_", bound=Corruption)

SEVERITIES = (1, 2, 3, 4, 5)

STANDARD = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The fifteen types that CIFAR-10-C and ImageNet-C are scored on, in the authors' order."""

EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
"""The authors' four extra types, meant for validation."""


def register_corruption(
    name: str, *, version: int, group: Group, stochastic: bool, cifar: Severities, imagenet: Severities
) -> Callable[[C_], C_]:
    """Puts a corruption function under ``name``; literals only.

    The function takes ``(images, random, *row)``: images (B, C, H, W), float32, whole numbers in 0..255, C of 1
    or 3; one :class:`SampleRandom` stream a sample; and one row of a parameter table. It returns grey levels of
    the same shape, of any float type, which :func:`~.generate.corrupt` clips to 0..255 and truncates.

    Args:
        name: the name in suite files.
        version: raised whenever the corruption's numbers change.
        group: the family in the authors' grouping.
        stochastic: whether the function draws from ``random``.
        cifar: CIFAR-10-C's parameters, one row a severity.
        imagenet: ImageNet-C's parameters, one row a severity.

    Raises:
        ValueError: if a table does not have five rows.
    """
    if len(cifar) != len(SEVERITIES) or len(imagenet) != len(SEVERITIES):
        raise ValueError(f"corruption {name}: both parameter tables need {len(SEVERITIES)} rows, one a severity")
    return corruptions.register(
        name, version=version, group=group, stochastic=stochastic, cifar=cifar, imagenet=imagenet
    )

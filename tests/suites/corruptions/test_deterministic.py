"""Types without chance against Pillow, scipy, colorsys and loops over pixels."""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scipy import ndimage

from robustbench_snn.corruption.generate import corrupt

Picture = npt.NDArray[Any]

BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3)
SATURATE = ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2))
JPEG = {"cifar": (80, 65, 58, 50, 40), "imagenet": (25, 18, 15, 10, 7)}
PIXELATE = {"cifar": (0.95, 0.9, 0.85, 0.75, 0.65), "imagenet": (0.6, 0.5, 0.4, 0.3, 0.25)}
BLUR = {"cifar": (0.4, 0.6, 0.7, 0.8, 1), "imagenet": (1, 2, 3, 4, 6)}
DEFOCUS = {
    "cifar": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    "imagenet": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
}
ZOOM = {
    "cifar": tuple(np.arange(1, end, 0.01) for end in (1.06, 1.11, 1.16, 1.21, 1.26)),
    "imagenet": (
        np.arange(1, 1.11, 0.01),
        np.arange(1, 1.16, 0.01),
        np.arange(1, 1.21, 0.02),
        np.arange(1, 1.26, 0.02),
        np.arange(1, 1.31, 0.03),
    ),
}
SIZES = [(32, 32), (8, 8), (17, 23), (34, 50), (5, 3), (66, 64)]


def picture(height: int, width: int, channels: int = 3) -> npt.NDArray[np.uint8]:
    random = np.random.default_rng(height * width)
    ramp = np.linspace(0, 150, width)[None, :, None] + np.linspace(-20, 40, height)[:, None, None]
    noisy = ramp + random.integers(0, 106, (height, width, channels))
    noisy[: height // 3, : width // 3] = (250, 30, 7)[:channels]
    noisy[-2:, -2:] = 0
    return noisy.clip(0, 255).astype(np.uint8)


def by_channel(function: Callable[[Picture], Picture], image: Picture) -> Picture:
    return np.stack([function(image[..., channel]) for channel in range(image.shape[-1])], axis=-1)


def truncated(levels: Picture) -> npt.NDArray[np.uint8]:
    return np.clip(levels, 0, 255).astype(np.uint8)


def assert_agrees(found: Picture, expected: Picture, *, equal: float) -> None:
    """Truncation tells apart sums that differ in their last bit only: a few values may be off by one."""
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= equal


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("which", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", [*SIZES, (1, 1), (16, 6)])
def test_jpeg_is_pillows_to_the_bit(size: tuple[int, int], which: Any, severity: int) -> None:
    image = picture(*size)
    for given, mode in ((image, "RGB"), (image[..., :1], "L")):
        file = io.BytesIO()
        Image.fromarray(given if mode == "RGB" else given[..., 0], mode).save(
            file, "JPEG", quality=JPEG[which][severity - 1]
        )
        expected = np.array(Image.open(file)).reshape(given.shape)
        np.testing.assert_array_equal(corrupt(given[None], "jpeg_compression", severity, parameters=which)[0], expected)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("which", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", SIZES)
def test_pixelate_is_pillows_to_the_bit(size: tuple[int, int], which: Any, severity: int) -> None:
    image, scale = picture(*size), PIXELATE[which][severity - 1]
    small = max(1, int(size[1] * scale)), max(1, int(size[0] * scale))
    box = Image.Resampling.BOX
    expected = np.array(Image.fromarray(image).resize(small, box).resize(size[::-1], box))
    np.testing.assert_array_equal(corrupt(image[None], "pixelate", severity, parameters=which)[0], expected)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("which", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", SIZES)
def test_gaussian_blur_is_scipys(size: tuple[int, int], which: Any, severity: int) -> None:
    image, sigma = picture(*size), BLUR[which][severity - 1]
    expected = by_channel(lambda c: ndimage.gaussian_filter(c / 255, sigma, mode="nearest", truncate=4), image)
    found = corrupt(image[None], "gaussian_blur", severity, parameters=which)[0]
    assert_agrees(found, truncated(expected * 255 + 1e-6), equal=0.97)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("which", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", [(32, 32), (28, 40), (64, 66)])
def test_defocus_blur_correlates_with_the_disk(size: tuple[int, int], which: Any, severity: int) -> None:
    radius, alias = DEFOCUS[which][severity - 1]
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    disk = np.array(
        [[float(math.hypot(x, y) <= radius + 1e-9) for x in range(-reach, reach + 1)] for y in range(-reach, reach + 1)]
    )
    tap = [math.exp(-((k - taps // 2) ** 2) / (2 * alias**2)) for k in range(taps)]
    soft = np.outer(tap, tap) / sum(tap) ** 2
    kernel = ndimage.correlate(disk / disk.sum(), soft, mode="mirror")
    image = picture(*size)
    expected = by_channel(lambda c: ndimage.correlate(c.astype(float), kernel, mode="mirror"), image)
    found = corrupt(image[None], "defocus_blur", severity, parameters=which)[0]
    assert_agrees(found, truncated(expected + 1e-6), equal=0.95)


@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("which", ["cifar", "imagenet"])
@pytest.mark.parametrize("size", [(32, 32), (24, 31), (64, 66)])
def test_zoom_blur_averages_scipys_zooms(size: tuple[int, int], which: Any, severity: int) -> None:
    image = picture(*size)
    total = image / 255
    factors = ZOOM[which][severity - 1]
    for factor in factors:
        crop = [math.ceil(side / factor) for side in size]
        top, left = ((side - part) // 2 for side, part in zip(size, crop, strict=True))
        zoomed = ndimage.zoom(
            image[top : top + crop[0], left : left + crop[1]] / 255, (factor, factor, 1), order=1, mode="nearest"
        )
        top, left = ((big - side) // 2 for big, side in zip(zoomed.shape, size, strict=False))
        total = total + zoomed[top : top + size[0], left : left + size[1]]
    expected = truncated(total / (len(factors) + 1) * 255)
    assert_agrees(corrupt(image[None], "zoom_blur", severity, parameters=which)[0], expected, equal=0.97)


@pytest.mark.parametrize("severity", range(1, 6))
def test_brightness_raises_the_value_of_hsv(severity: int) -> None:
    image = picture(9, 14)

    def brighter(pixel: Picture) -> list[float]:
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        return [255 * level for level in colorsys.hsv_to_rgb(hue, saturation, min(1, value + BRIGHTNESS[severity - 1]))]

    expected = np.array([[brighter(pixel) for pixel in row] for row in image])
    assert_agrees(corrupt(image[None], "brightness", severity)[0], truncated(expected + 1e-6), equal=0.97)
    grey = image[..., :1]
    expected = grey + 255 * BRIGHTNESS[severity - 1]
    assert_agrees(corrupt(grey[None], "brightness", severity)[0], truncated(expected + 1e-6), equal=0.97)


@pytest.mark.parametrize("severity", range(1, 6))
def test_saturate_changes_the_saturation_of_hsv(severity: int) -> None:
    image = picture(9, 14)
    image[4, 4] = 90  # a grey has hue 0
    factor, offset = SATURATE[severity - 1]

    def changed(pixel: Picture) -> list[float]:
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        return [255 * v for v in colorsys.hsv_to_rgb(hue, min(1, max(0, saturation * factor + offset)), value)]

    expected = np.array([[changed(pixel) for pixel in row] for row in image])
    assert_agrees(corrupt(image[None], "saturate", severity)[0], truncated(expected + 1e-6), equal=0.97)
    np.testing.assert_array_equal(corrupt(image[None, ..., :1], "saturate", severity)[0], image[..., :1])


@pytest.mark.parametrize(("severity", "factor"), [(1, 0.75), (2, 0.5), (3, 0.4), (4, 0.3), (5, 0.15)])
def test_contrast_shrinks_distances_to_the_mean(severity: int, factor: float) -> None:
    image = picture(12, 7)
    mean = image.mean((0, 1))
    expected = truncated((image - mean) * factor + mean)
    assert_agrees(corrupt(image[None], "contrast", severity)[0], expected, equal=0.97)

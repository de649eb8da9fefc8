"""Samples whose images are encoded (JPEG, PNG, ...), in memory or in files, and decoded when asked for."""

from __future__ import annotations

import copy
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.dataset.statistics import Statistics, channel_statistics
from robustbench_snn.errors import DatasetError, UserError
from robustbench_snn.reading import check_file

CACHE_BYTES = 2 * 2**30
"""Decoded pixels are kept in memory when all of a set fit in this many bytes: 60,000 CIFAR images take 176 MiB."""

DECODERS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are read: Pillow knows others that start programs, such as EPS."""

MOST_PIXELS = 1 << 26
"""Most pixels of an image, as stored or as scaled: a few bytes may claim any number. 8192 x 8192."""

MOST_BYTES = 1 << 28
"""Most bytes of an image file."""

_GREY = ("1", "L")
_WHITE_IS_65535 = ("PNG", "PPM")
"""Formats whose 16 bits of grey span 0..65,535. In TIFF they may as well be 12 bits, or white at 0."""

_R = TypeVar("_R")
_Statistician: TypeAlias = Callable[[Samples], tuple[list[float], list[float]]]


def open_image(source: bytes | Path, what: str, use: Callable[[Image.Image], _R]) -> _R:
    """What a function makes of an encoded image, which is opened for it and closed.

    Args:
        source: the encoded bytes, or a file.
        what: names the image in messages.
        use: is given the image, not decoded yet.

    Raises:
        DatasetError: if it is no whole image of :data:`DECODERS`, or too large; if a file, no regular one. Those of
            ``use`` as they are.
    """
    try:
        if isinstance(source, Path):
            check_file(source, MOST_BYTES)
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=DECODERS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has {image.width}x{image.height} pixels, {MOST_PIXELS} are the most")
            return use(image)
    except DatasetError:
        raise
    except Exception as error:  # seven decoders raise all kinds over damaged files
        raise DatasetError(f"{what} is not a whole image: {error}") from error


@dataclass(frozen=True)
class ImageFormat:
    """What an encoded image becomes.

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        height: image height in pixels.
        width: image width in pixels.
        resize: scale the shorter side to ``height * resize_ratio`` and crop the centre; otherwise an image of
            another size is an error.
        resize_ratio: length of the scaled shorter side in units of ``height``; 1 takes the largest centre crop, 256/224
            is usual for ImageNet.
        first: names the image that suggested the format, in messages.
        marks: what the set's fingerprint holds besides the stored images: a size that was asked for, and how 16 bits
            are read, as they were clipped once; nothing of 8 bits as they are stored.
    """

    channels: int
    height: int
    width: int
    resize: bool = False
    resize_ratio: float = 1.0
    first: str = "the first image"
    marks: tuple[str, ...] = ()

    def fits(self, images: int) -> bool:
        """Whether so many decoded images are kept in memory."""
        return images * self.channels * self.height * self.width <= CACHE_BYTES

    def decode(self, source: bytes | Path, what: str) -> Tensor:
        """Decodes one image to uint8 (C, H, W).

        16 bits of grey, 0..65,535, are divided by 257 and rounded. A grey image becomes RGB where that is the format.

        Raises:
            DatasetError: if it cannot be read, is of another size, is in colour where the format is grey, or has other
                pixels than 8 bits and does not say which is white; ``what`` names it.
        """
        image = open_image(source, what, lambda opened: self._converted(opened, what))
        if self.resize:
            image = self._resized(image, what)
        elif image.size != (self.width, self.height):
            raise DatasetError(
                f"{what} is {image.width}x{image.height} pixels, others are {self.width}x{self.height}; "
                "set dataset.image_size to bring all to one size"
            )
        pixels = torch.from_numpy(np.array(image))
        return pixels.unsqueeze(0) if self.channels == 1 else pixels.permute(2, 0, 1)

    def _converted(self, image: Image.Image, what: str) -> Image.Image:
        if _is_wide(image, what):
            image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
        if self.channels == 3:
            return image.convert("RGB")
        if image.mode not in _GREY:
            colours = np.asarray(image.convert("RGB"))
            if (colours != colours[..., :1]).any():  # grey that is stored as colour loses nothing
                raise DatasetError(
                    f"{what} is in colour, and {self.first} is grey, as all of the set must then be; convert the set "
                    "to grey, or its first training image to RGB"
                )
        return image.convert("L")

    def _resized(self, image: Image.Image, what: str) -> Image.Image:
        scale = self.height * self.resize_ratio / min(image.size)
        if scale != 1.0:
            size = (max(self.width, round(image.width * scale)), max(self.height, round(image.height * scale)))
            if size[0] * size[1] > MOST_PIXELS:
                raise DatasetError(
                    f"{what} is {image.width}x{image.height} pixels, and {size[0]}x{size[1]} when its shorter side is "
                    f"scaled; {MOST_PIXELS} pixels are the most"
                )
            image = image.resize(size, Image.Resampling.BICUBIC)
        left, top = (image.width - self.width) // 2, (image.height - self.height) // 2
        return image.crop((left, top, left + self.width, top + self.height))


def image_format(source: bytes | Path, what: str, image_size: int | None, resize_ratio: float) -> ImageFormat:
    """The format that one image suggests: grey or RGB, its own size or ``image_size`` squared.

    Raises:
        DatasetError: if it cannot be read or has pixels that :meth:`ImageFormat.decode` refuses, or an image of the
            size asked for would be too large.
    """
    (width, height), grey, wide = open_image(
        source, what, lambda image: (image.size, image.mode in _GREY, _is_wide(image, what))
    )
    channels = 1 if grey or wide else 3
    depth = ["16 bits / 257"] if wide else []
    size = [] if image_size is None else [f"image_size {image_size}, resize_ratio {resize_ratio!r}"]
    marks = (*depth, *size)
    if image_size is not None and (image_size * resize_ratio) ** 2 > MOST_PIXELS:
        raise DatasetError(
            f"image_size {image_size} (times resize_ratio {resize_ratio:g}) is too large: {MOST_PIXELS} pixels are "
            "the most"
        )
    if image_size is None:
        return ImageFormat(channels, height, width, first=what, marks=marks)
    return ImageFormat(channels, image_size, image_size, True, resize_ratio, first=what, marks=marks)


def _is_wide(image: Image.Image, what: str) -> bool:
    """Whether pixels are 16 bits of grey.

    Raises:
        DatasetError: if they have more than 8 bits, and it is not known which value is white.
    """
    if not image.mode.startswith(("I", "F")):
        return False
    if image.mode == "F" or image.format not in _WHITE_IS_65535:
        raise DatasetError(
            f"{what} is a {image.format} of mode {image.mode}: its pixels have more than 8 bits, and which value is "
            "white is not known; convert the set to 8 bits, or to PNG of 16 bits, where white is 65535"
        )
    return True


def statistics_of(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> tuple[Statistics | _Statistician, tuple[str, ...]]:
    """Mean and standard deviation as they were given, or else what finds them in the training split.

    Returns:
        These, and what the set's fingerprint holds of them.

    Raises:
        UserError: if one is given without the other.
    """
    if mean is not None and std is not None:
        return (mean, std), (f"mean {list(map(float, mean))}, std {list(map(float, std))}",)
    if mean is None and std is None:
        return channel_statistics, ()
    given, missing = ("mean", "std") if std is None else ("std", "mean")
    raise UserError(f"dataset.{given} is given without dataset.{missing}; give both, or neither to have them computed")


class _Decoder:
    """Encoded images, and their pixels as far as they were asked for; shared by a set and its subsets."""

    def __init__(self, sources: Sequence[bytes | Path], form: ImageFormat, describe: Callable[[int], str]) -> None:
        self.sources, self.form, self.describe = sources, form, describe
        self.kept = form.fits(len(sources))
        shape = (len(sources), form.channels, form.height, form.width)
        self.pixels = torch.empty(shape if self.kept else (0,), dtype=torch.uint8)
        self.ready = torch.zeros(len(sources), dtype=torch.bool)

    def __call__(self, rows: Tensor) -> Tensor:
        """The pixels at these rows, uint8 (B, C, H, W)."""
        if not self.kept:
            return self._decode(rows)
        missing = rows[~self.ready[rows]]
        if len(missing):
            self.pixels[missing] = self._decode(missing)
            self.ready[missing] = True
        return self.pixels[rows]

    def _decode(self, rows: Tensor) -> Tensor:
        def one(row: int) -> Tensor:
            return self.form.decode(self.sources[row], self.describe(row))

        return torch.stack(list(_threads(os.getpid()).map(one, rows.tolist())))


class EncodedSamples(Samples):
    """Images decoded on demand, by threads, and kept if all fit in :data:`CACHE_BYTES`.

    Args:
        sources: the encoded bytes, or the file, of each image.
        labels: (N,).
        ids: (N,).
        form: what each image becomes.
        describe: names an image, by its row in ``sources``, in error messages.
    """

    slow = True

    def __init__(
        self,
        sources: Sequence[bytes | Path],
        labels: Tensor,
        ids: Tensor,
        form: ImageFormat,
        describe: Callable[[int], str],
    ) -> None:
        super().__init__(labels, ids)
        self._decoder = _Decoder(sources, form, describe)
        self._rows = torch.arange(len(labels))

    def images(self, positions: Tensor) -> Tensor:
        """See :meth:`Samples.images`."""
        return self._decoder(self._rows[positions]).to(torch.float32) / 255.0

    def subset(self, positions: Tensor) -> EncodedSamples:
        """See :meth:`Samples.subset`; shares the decoded pixels, or keeps its own if it is small enough to."""
        rows, labels, ids = (column[positions] for column in (self._rows, self.labels, self.ids))
        whole = self._decoder
        if whole.kept or not whole.form.fits(len(rows)):
            shared = copy.copy(self)
            Samples.__init__(shared, labels, ids)
            shared._rows = rows
            return shared
        places = rows.tolist()
        sources = [whole.sources[place] for place in places]
        return EncodedSamples(sources, labels, ids, whole.form, lambda row: whole.describe(places[row]))


@cache
def _threads(process: int) -> ThreadPoolExecutor:
    """The decoding threads of this process: a forked worker needs its own."""
    return ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1), thread_name_prefix=f"decode-{process}")

"""RandAugment (Cubuk et al., 2020, arXiv:1909.13719) by timm, on batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from robustbench_snn.randomness import Share


class RandAugment:
    """Augments each image of a batch on its own, in 256 grey levels, as PIL does.

    Args:
        notation: timm's, ``rand-m9-n1-mstd0.4-inc1``.
        mean: mean of each channel on [0, 1], to fill the corners that a rotation leaves.
    """

    def __init__(self, notation: str, mean: Sequence[float]) -> None:
        self.notation = notation
        fill = tuple(min(255, round(255 * value)) for value in mean)
        self._fill = fill if len(fill) == 3 else fill[0]
        self._transforms: dict[int, Any] = {}

    def __call__(self, images: Tensor, share: Share | None = None) -> Tensor:
        """Images float32 (B, C, H, W) in [0, 1], C 1 or 3; the result likewise.

        Of a share of a batch, each image becomes what it becomes in the whole batch: one pixel stands for each of the
        others, since what is drawn for an image depends on no image's size.
        """
        transform = self._transform(min(images.shape[2:]))
        pixels = images.mul(255.0).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        own = [Image.fromarray(p.squeeze(2) if p.shape[2] == 1 else p) for p in pixels]
        if share is None:
            done = [np.asarray(transform(image)) for image in own]
        else:
            pixel = Image.new(own[0].mode, (1, 1))
            here = dict(zip(share.rows.tolist(), own, strict=True))
            every = {place: transform(here.get(place, pixel)) for place in range(share.size)}
            done = [np.asarray(every[place]) for place in here]
        stacked = torch.from_numpy(np.stack(done)).reshape(pixels.shape).permute(0, 3, 1, 2)
        return stacked.to(torch.float32).div(255.0).contiguous()

    def _transform(self, side: int) -> Any:
        from timm.data.auto_augment import rand_augment_transform  # seconds to import

        if side not in self._transforms:
            hparams = {"translate_const": int(side * 0.45), "img_mean": self._fill}  # as timm's ImageNet transform
            transform = rand_augment_transform(self.notation, hparams)
            for operation in transform.ops:
                if operation.name.startswith("Posterize"):
                    operation.aug_fn = _posterize
            self._transforms[side] = transform
        return self._transforms[side]


def _posterize(image: Image.Image, bits: int, **_: object) -> Image.Image:
    """Keeps the highest bits of each pixel; none gives black.

    timm asks for no bits at magnitude 10, which the published m9-mstd0.4 reaches; newer Pillows refuse that.
    """
    if bits >= 8:
        return image
    return ImageOps.posterize(image, bits) if bits else Image.new(image.mode, image.size)

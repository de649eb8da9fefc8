"""The frost photographs of Hendrycks and Dietterich, read as data files of an installed package."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from robustbench_snn.errors import UserError

PACKAGE = "imagecorruptions-imaug"
NAMES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")
"""The original draws from the first five of six."""


@lru_cache(maxsize=1)
def photographs() -> tuple[Tensor, ...]:
    """The five photographs, uint8 (3, H, W) each.

    Raises:
        UserError: if the package that carries them is not installed, or incomplete.
    """
    paths = _paths()
    missing = [name for name in NAMES if name not in paths or not paths[name].is_file()]
    if missing:
        raise UserError(
            f"frost needs the original photographs ({', '.join(missing)} not found); they come with the package "
            f"{PACKAGE}: pip install {PACKAGE}"
        )
    arrays = [np.array(Image.open(paths[name]).convert("RGB")) for name in NAMES]
    return tuple(torch.from_numpy(array).permute(2, 0, 1).contiguous() for array in arrays)


def _paths() -> dict[str, Path]:
    """Data files by name; the package itself is not imported, for that needs OpenCV and numba."""
    try:
        listed = files(PACKAGE) or []
    except PackageNotFoundError:
        return {}
    return {file.name: Path(str(file.locate())) for file in listed if file.parent.name == "frost"}

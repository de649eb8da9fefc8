"""ImageNet-C beside an image folder: every sample meets the corrupted copy of its own file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.corruption.samples import PublishedSamples
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import DatasetError

SIDE = 64


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((SIDE, SIDE, 3), level, dtype=np.uint8)).save(path, format="PNG")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Two classes of three files; the corrupted copy of a grey level g is g + 100."""
    level = 0
    for name in ("n01", "n02"):
        picture(tmp_path / "clean/train" / name / "a.png", 5)
        for file in ("x.png", "y.png", "z.png"):
            level += 10
            picture(tmp_path / "clean/val" / name / file, level)
            for kind in ("fog", "frost"):
                for severity in range(1, 6):
                    picture(tmp_path / "published" / kind / str(severity) / name / file, level + 100)
    return tmp_path


def test_samples_meet_their_own_files_in_any_order(folders: Path) -> None:
    test = load_dataset("image_folder", root=str(folders / "clean"), image_size=SIDE).test
    published = PublishedCorruptions(folders / "published", "imagenet-c")
    for samples in (test, test.subset(torch.tensor([4, 0, 3]))):
        paired = PublishedSamples(samples, published, "fog", 2)
        rows = torch.arange(len(samples))
        clean = (samples.images(rows)[:, 0, 0, 0] * 255).round()
        corrupted = (paired.images(rows)[:, 0, 0, 0] * 255).round()
        assert (corrupted - clean).tolist() == [100] * len(samples)


def test_a_sample_that_the_set_does_not_hold_is_counted(folders: Path) -> None:
    picture(folders / "clean/val/n01/new.png", 200)
    test = load_dataset("image_folder", root=str(folders / "clean"), image_size=SIDE).test
    published = PublishedCorruptions(folders / "published", "imagenet-c")
    with pytest.raises(DatasetError, match="not 1 of the 7 evaluated samples"):
        PublishedSamples(test, published, "fog", 2)

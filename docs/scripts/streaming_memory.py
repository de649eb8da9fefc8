"""Prints the memory that folders of images take, in training and in evaluation, by their number of images.

    python docs/scripts/streaming_memory.py 2000 20000

Each folder of small JPEGs is made anew and read in a process of its own, which keeps no decoded pixels: as where a
split is larger than :data:`robustbench_snn.dataset.encoded.CACHE_BYTES`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from robustbench_snn.dataset import encoded, load_dataset
from robustbench_snn.training import Recipe
from robustbench_snn.training.batches import TrainingBatches

CLASSES = 100


def make(folder: Path, images: int) -> None:
    """Fills a folder with random JPEGs of 64 x 64 pixels: so many for training, 200 for validation."""
    random = np.random.default_rng(0)
    for split, count in (("train", images), ("val", 200)):
        for number in range(count):
            place = folder / split / f"n{number % CLASSES:08d}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(place / f"{number}.JPEG", quality=80)


def resident() -> float:
    """Megabytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(folder: Path) -> None:
    """Prints the megabytes that loading takes, and an epoch of training and an evaluation after it."""
    torch.set_num_threads(1)
    encoded.CACHE_BYTES = 0
    before = resident()
    data = load_dataset("image_folder", root=str(folder), mean=(0.5,) * 3, std=(0.2,) * 3)
    loaded = resident()
    most = loaded
    for _ in TrainingBatches(data.train, Recipe(batch_size=100), classes=CLASSES, mean=data.mean, seed=0, epoch=0):
        most = max(most, resident())
    for _ in data.test.batches(100):
        most = max(most, resident())
    print(f"{len(data.train):7} images: loaded {loaded - before:5.1f} MB, an epoch {most - loaded:5.1f} MB more")


def main() -> None:
    """Measures each number of images in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=int, nargs="*", default=[2000, 20000])
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder is not None:
        measure(arguments.folder)
        return
    for images in arguments.images:
        with tempfile.TemporaryDirectory() as place:
            make(Path(place) / "images", images)
            environment = os.environ | {"RBSNN_CACHE": str(Path(place) / "cache")}
            command = [sys.executable, __file__, "--folder", str(Path(place) / "images")]
            subprocess.run(command, check=True, env=environment)


if __name__ == "__main__":
    main()

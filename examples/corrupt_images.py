"""Corrupts images: numpy arrays as an image file gives them, or tensors as a model takes them."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_sample_image

import robustbench_snn


def main() -> None:
    """Shows how far each severity moves a photograph's grey levels, and what makes results repeatable."""
    photograph = load_sample_image("flower.jpg")[100:324, 200:424]
    images = np.stack([photograph, photograph])  # uint8 (N, H, W, C)
    print(f"{images.dtype} {images.shape}: mean change of a grey level by severity")
    for name in ("gaussian_noise", "motion_blur", "fog", "jpeg_compression"):
        corrupted = [robustbench_snn.corrupt(images, name, severity) for severity in (1, 2, 3, 4, 5)]
        changes = [float(np.abs(found.astype(int) - images).mean()) for found in corrupted]
        print(f"{name:>17}: {'  '.join(f'{change:5.1f}' for change in changes)}")

    tensor = torch.from_numpy(images).permute(0, 3, 1, 2) / 255  # float (N, C, H, W) in [0, 1]
    noisy = robustbench_snn.corrupt(tensor, "gaussian_noise", 3, seed=7)
    alone = robustbench_snn.corrupt(tensor[1:], "gaussian_noise", 3, seed=7, sample_ids=[1])
    print(f"the same image twice gets two noises: {not torch.equal(noisy[0], noisy[1])}")
    print(f"the second one alone gets the same as in its batch: {torch.equal(noisy[1:], alone)}")


if __name__ == "__main__":
    main()

"""Handwritten digits of scikit-learn: small, real, and always there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from robustbench_snn.dataset.contract import Dataset, Limit, build, register_dataset
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.dataset.splits import hold_out
from robustbench_snn.dataset.statistics import channel_statistics

TEST, VALIDATION = 400, 200


@register_dataset("digits", version=1)
def digits(*, limit: Limit = None, train_limit: Limit = None) -> Dataset:
    """Handwritten digits, 8x8 grey, 1,797 images, in the scikit-learn package.

    The test part of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), grey
    levels 0..16 divided by 16. It comes in one piece: 1,197 are for training, 200 for validation, 400 for test,
    by a hash of the row number, classes balanced.

    Args:
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    images, labels = _digits()
    pixels = torch.from_numpy(images).to(torch.float32).div(16.0).unsqueeze(1)
    everything = ArraySamples(pixels, torch.from_numpy(labels))
    rest, test = hold_out(everything, TEST)
    train, validation = hold_out(rest, VALIDATION)
    return build(
        "digits",
        train=train,
        validation=validation,
        test=test,
        classes=10,
        statistics=channel_statistics,
        fingerprint=fingerprint(everything.labels, pixels),
        limit=limit,
        train_limit=train_limit,
        class_names=[str(digit) for digit in range(10)],
        source="scikit-learn",
    )


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What ``load_digits`` returns, images (N, 8, 8) and labels (N,), from the file that it reads.

    To import it takes longer than all else that is done with digits.
    """
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        if (path := Path(folder, "datasets", "data", "digits.csv.gz")).is_file():
            rows = np.loadtxt(path, delimiter=",")
            return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits  # another version of the package keeps them elsewhere

    data = load_digits()
    return data.images, data.target

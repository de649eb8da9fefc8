"""CIFAR10-DVS: images of CIFAR-10 that move on a screen before a DVS128."""

from __future__ import annotations

import re
from typing import Literal

import torch
from pydantic import PositiveInt

from robustbench_snn.dataset.contract import Dataset, Limit, Share, register_dataset
from robustbench_snn.dataset.locate import find
from robustbench_snn.dataset.named_splits import random_tenth
from robustbench_snn.dataset.recorded import Binning, of_recordings
from robustbench_snn.dataset.recording_files import in_class_folders
from robustbench_snn.errors import DatasetError
from robustbench_snn.event.recorded import DVS128, read_aedat2
from robustbench_snn.event.stream import By

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
EACH = 1000
"""Recordings of a class, numbered from 0."""

Split = Literal["first-900", "first-900-by-name", "last-900", "random-9:1"]


@register_dataset(
    "cifar10_dvs",
    version=1,
    files=("*/cifar10_*_*.aedat",),
    inside=(".", "extract"),
    install="get its ten archives from figshare (Li et al., 2017) and unpack them side by side: airplane/*.aedat",
    events=True,
)
def cifar10_dvs(
    *,
    root: str | None = None,
    frames: PositiveInt = 10,
    by: By = "count",
    size: PositiveInt | None = None,
    split: Split = "first-900",
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Recorded events, 128x128, 10 classes, 10,000 recordings (Li et al., 2017, doi:10.3389/fnins.2017.00309).

    The authors give no split. In each class, ``first-900`` trains on the recordings numbered 0 to 899;
    ``first-900-by-name`` on the first 900 when their names are sorted as text (0, 1, 10, 100, ...), as the code of
    Spikformer and QKFormer does; ``last-900`` on 100 to 999 (Duan et al., TEBN, NeurIPS 2022); ``random-9:1`` on a
    fixed random nine tenths. A recording's side depends on its class and number alone, also where others are missing.

    Args:
        root: folder of the ten class folders of AEDAT 2.0 files; else the environment variable
            ``RBSNN_CIFAR10_DVS_ROOT``.
        frames: F, how many frames a recording becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        size: sum whole squares of pixels, so that frames fit in this height and width; zeros fill what is left.
        split: which recordings are for testing.
        validation: share of the training recordings held out; published results train on all of them, so 0 to compare.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folders = [(name, label) for label, name in enumerate(CLASSES)]
    recordings = in_class_folders(find("cifar10_dvs", root), folders, ".aedat", _number, read_aedat2)
    return of_recordings(
        "cifar10_dvs",
        recordings,
        for_testing(split)[recordings.ids],
        Binning(frames, by, DVS128, DVS128, size),
        split=split,
        published="10000",
        class_names=CLASSES,
        validation=validation,
        limit=limit,
        train_limit=train_limit,
    )


def for_testing(split: Split) -> torch.Tensor:
    """Which of the 10,000 recordings are for testing, bool, by id: 1,000 times the class and the number."""
    ids = torch.arange(len(CLASSES) * EACH)
    number = ids % EACH
    if split == "random-9:1":
        return random_tenth("cifar10_dvs random-9:1", ids, ids // EACH)
    if split == "first-900-by-name":
        names = sorted(range(EACH), key=lambda one: f"{one}.")
        return torch.isin(number, torch.tensor(names[900:]))
    return number >= 900 if split == "first-900" else number < 100


def _number(folder: str, stem: str) -> int:
    named = re.fullmatch(rf"cifar10_{folder}_(0|[1-9]\d{{0,2}})", stem)
    if named is None:
        raise DatasetError(f"{folder}/{stem}.aedat is not named as CIFAR10-DVS's files are: cifar10_{folder}_0 to _999")
    return CLASSES.index(folder) * EACH + int(named[1])

"""CIFAR-10 and CIFAR-100 in the layout that torchvision downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torchvision.datasets import CIFAR10, CIFAR100

from robustbench_snn.dataset import statistics
from robustbench_snn.dataset.contract import TRAINING_IDS, Dataset, Limit, Share, build, register_dataset
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.locate import find, locate, roots
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import MALFORMED, check_file

MOST_BYTES = 1 << 28
"""Most bytes of one batch; CIFAR-100's training images are 155 MB."""


@register_dataset(
    "cifar10",
    version=1,
    files=("cifar-10-batches-py",),
    inside=(".", "cifar10"),
    places=("data", "~/.cache/robustbench_snn/cifar10"),
    install="set dataset.download to true, to get it (170 MB) from its authors",
)
def cifar10(
    *,
    root: str | None = None,
    download: bool = False,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Photographs, 32x32 colour, 10 classes, 50,000 + 10,000 images (Krizhevsky, 2009).

    The batches are pickles: torchvision's reader compares their MD5 with the published one before it opens them.

    Args:
        root: folder that holds ``cifar-10-batches-py``; else the environment variable ``RBSNN_CIFAR10_ROOT``; else
            ``data`` and ``~/.cache/robustbench_snn/cifar10``.
        download: get it from the authors if it is not there.
        validation: share of the training images held out; published results train on all of them, so 0 to compare.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    return _load("cifar10", CIFAR10, statistics.CIFAR10, root, download, validation, limit, train_limit)


@register_dataset(
    "cifar100",
    version=1,
    files=("cifar-100-python",),
    inside=(".", "cifar100"),
    places=("data", "~/.cache/robustbench_snn/cifar100"),
    install="set dataset.download to true, to get it (169 MB) from its authors",
)
def cifar100(
    *,
    root: str | None = None,
    download: bool = False,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Photographs, 32x32 colour, 100 classes, 50,000 + 10,000 images (Krizhevsky, 2009).

    Args:
        root: folder that holds ``cifar-100-python``; else the environment variable ``RBSNN_CIFAR100_ROOT``; else
            ``data`` and ``~/.cache/robustbench_snn/cifar100``.
        download: get it from the authors if it is not there.
        validation: share of the training images held out; published results train on all of them, so 0 to compare.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    return _load("cifar100", CIFAR100, statistics.CIFAR100, root, download, validation, limit, train_limit)


def _load(
    name: str,
    reader: type[CIFAR10],
    published: statistics.Statistics,
    root: str | None,
    download: bool,
    validation: float,
    limit: int | None,
    train_limit: int | None,
) -> Dataset:
    folder = str(locate(name, root) or (roots(name, root)[-1] if download else find(name, root)))
    parts: list[ArraySamples] = []
    try:
        for batch in Path(folder, reader.base_folder).glob("*"):
            check_file(batch, MOST_BYTES)
        for train, first_id in ((True, TRAINING_IDS), (False, 0)):
            part: Any = reader(folder, train=train, download=download)
            pixels = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
            parts.append(ArraySamples.numbered(pixels, torch.tensor(part.targets), first_id))
    except RuntimeError as error:  # torchvision's only word for a checksum that differs, and for a failed download
        raise DatasetError(
            f"dataset '{name}' in {folder} is damaged or incomplete ({error}); delete it and get it again"
        ) from error
    except MALFORMED as error:
        raise DatasetError(f"dataset '{name}' cannot be had in {folder}: {error}") from error
    train_part, test_part = parts
    return build(
        name,
        train=train_part,
        validation=validation,
        test=test_part,
        classes=len(part.classes),
        statistics=published,
        fingerprint=fingerprint(train_part.labels, train_part.pixels, test_part.labels, test_part.pixels),
        limit=limit,
        train_limit=train_limit,
        class_names=part.classes,
        source=folder,
    )

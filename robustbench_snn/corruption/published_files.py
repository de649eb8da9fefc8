"""Files of the published corruption sets: arrays of CIFAR-10-C and CIFAR-100-C, class folders of ImageNet-C."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from robustbench_snn.corruption.contract import SEVERITIES
from robustbench_snn.dataset.content import MOST_BYTES
from robustbench_snn.dataset.encoded import open_image
from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import check_file

ByteImages: TypeAlias = npt.NDArray[np.uint8]
Labels: TypeAlias = npt.NDArray[np.int64]

CLASSES = {"cifar10-c": 10, "cifar100-c": 100}


def cifar_images(path: Path, samples: int) -> npt.NDArray[Any]:
    """The images of one type, all severities one after the other, memory-mapped.

    Args:
        path: the ``.npy`` file.
        samples: images a severity.

    Returns:
        uint8 (5 · samples, 32, 32, 3).

    Raises:
        DatasetError: if the file is damaged, or of another shape or type.
    """
    array = _load(path)
    wanted = (len(SEVERITIES) * samples, 32, 32, 3)
    if array.shape != wanted or array.dtype != np.uint8:
        raise DatasetError(f"{path} must be uint8 of shape {wanted}, it is {array.dtype} of {array.shape}")
    return array


def cifar_labels(path: Path, samples: int, kind: str) -> Labels:
    """The labels of one severity, which all severities share.

    Args:
        path: the file ``labels.npy``.
        samples: images a severity.
        kind: name of the set.

    Returns:
        int64 (samples,).

    Raises:
        DatasetError: if the file is missing or damaged, or holds anything else.
    """
    if not path.is_file():
        raise DatasetError(f"{path} is missing; the published archive of {kind} holds it")
    array = _load(path)
    wanted = (len(SEVERITIES) * samples,)
    if array.shape != wanted or not np.issubdtype(array.dtype, np.integer):
        raise DatasetError(f"{path} must hold {wanted[0]} whole numbers, it is {array.dtype} of {array.shape}")
    labels: Labels = np.asarray(array, dtype=np.int64).reshape(len(SEVERITIES), -1)
    if (labels != labels[0]).any():
        raise DatasetError(f"{path}: labels differ between severities, but all hold the same images")
    if labels.min() < 0 or labels.max() >= CLASSES[kind]:
        raise DatasetError(
            f"{path}: labels run from {labels.min()} to {labels.max()}, {kind} has {CLASSES[kind]} classes"
        )
    first: Labels = labels[0]
    return first


@lru_cache(maxsize=256)
def class_files(folder: Path) -> list[tuple[Path, int]]:
    """Files of <class>/<image> folders, sorted, each with the position of its class among the sorted classes.

    Raises:
        DatasetError: if there are no class folders.
    """
    try:
        classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
        files = [(file, label) for label, entry in enumerate(classes) for file in sorted(entry.iterdir())]
    except OSError as error:
        raise DatasetError(f"{folder} cannot be looked into: {error.strerror or error}") from None
    if not classes:
        raise DatasetError(f"{folder} holds no class folders")
    return files


def read_image(file: Path) -> ByteImages:
    """One image, uint8 (H, W, 3).

    Raises:
        DatasetError: if it cannot be read.
    """
    return open_image(file, str(file), lambda image: np.array(image.convert("RGB")))


def _load(path: Path) -> npt.NDArray[Any]:
    try:
        check_file(path, MOST_BYTES)
        array: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a header is text that numpy parses
        raise DatasetError(f"{path} is not a whole .npy file: {error}") from None
    return array

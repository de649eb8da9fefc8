"""Images in folders, one folder a class: torchvision's layout, ImageNet's too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from robustbench_snn.dataset.content import digest_of
from robustbench_snn.dataset.contract import Dataset, Limit, Share, build, register_dataset
from robustbench_snn.dataset.encoded import EncodedSamples, ImageFormat, image_format, statistics_of
from robustbench_snn.dataset.fingerprint import fingerprint, fingerprint_items, path_id
from robustbench_snn.dataset.locate import find
from robustbench_snn.errors import DatasetError

ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".pgm", ".ppm", ".tif", ".tiff"})


class _Files(Sequence[Path]):
    """Files below a folder, kept as text: a path takes five times the memory, and ImageNet has 1.28 million."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self.folder, self.names = folder, names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: Any) -> Any:
        return self.folder / self.names[index]


@dataclass(frozen=True)
class _Split:
    """The files of one split, sorted by class and name."""

    files: _Files
    labels: Tensor
    ids: Tensor
    fingerprint: str


@register_dataset(
    "image_folder",
    version=1,
    files=("train",),
    install="put images in train/CLASS/ and in test/CLASS/ or val/CLASS/ (ImageNet: from image-net.org)",
)
def image_folder(
    *,
    root: str | None = None,
    image_size: PositiveInt | None = None,
    resize_ratio: Annotated[float, Field(ge=1.0)] = 1.0,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    validation: Share = 0.0,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Images in folders: ``train/CLASS/*.jpg``, and ``test`` or ``val`` likewise.

    With both ``test`` and ``val`` the latter is for validation; with one of them it is the test set, as ImageNet's
    ``val`` is. Classes are the folders of ``train``, sorted. The set is grey if its first training image is, and one in
    colour is an error then; else all become RGB. Grey of 16 bits (PNG, PGM) is scaled to 8. Images are decoded when
    needed, and kept if all of a split fit in 2 GiB. The fingerprint is over names, labels and contents of the files,
    and the size and statistics that are asked for: the first use reads all files, later ones only what changed since,
    a class folder at a time. Ids are hashes of the names.

    Args:
        root: the folder; else the environment variable ``RBSNN_IMAGE_FOLDER_ROOT``.
        image_size: bring all images to this height and width; else all must be of one size.
        resize_ratio: scale the shorter side to this many times ``image_size`` before the centre crop (256/224 =
            1.143 is usual for ImageNet).
        mean: mean of each channel; else taken over (at most 10,000) training images.
        std: standard deviation of each channel, likewise.
        validation: share of the training images held out, if there is no folder for validation.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folder = find("image_folder", root)
    names = [entry.name for entry in _folders(folder / "train")]
    train = _scan(folder, "train", names)
    present = [name for name in ("test", "val", "validation") if (folder / name).is_dir()]
    if not present:
        raise DatasetError(f"{folder} holds neither test nor val beside train")
    test = _scan(folder, present[0], names)
    held = _scan(folder, present[1], names) if len(present) > 1 else None
    statistics, marks = statistics_of(mean, std)
    form = image_format(train.files[0], str(train.files[0]), image_size, resize_ratio)
    return build(
        "image_folder",
        train=_samples(train, form),
        validation=validation if held is None else _samples(held, form),
        test=_samples(test, form),
        classes=len(names),
        statistics=statistics,
        fingerprint=fingerprint(
            *(split.fingerprint for split in (train, test, held) if split is not None), *form.marks, *marks
        ),
        limit=limit,
        train_limit=train_limit,
        class_names=names,
        source=str(folder),
    )


def _scan(folder: Path, split: str, names: Sequence[str]) -> _Split:
    paths: list[str] = []
    labels: list[int] = []
    contents: list[str] = []
    known = {name: label for label, name in enumerate(names)}
    for class_folder in _folders(folder / split):
        if class_folder.name not in known:
            raise DatasetError(f"{class_folder} is of a class that {folder / 'train'} does not have")
        found = _images(class_folder)
        paths += [file.relative_to(folder).as_posix() for file in found]
        labels += [known[class_folder.name]] * len(found)
        contents.append(f"{split}/{class_folder.name}\n{digest_of(class_folder, found)}")
    if not paths:
        raise DatasetError(f"{folder / split} holds no images in class folders ({', '.join(sorted(ENDINGS))})")
    column = torch.tensor(labels)
    ids = torch.tensor([path_id(path) for path in paths])
    return _Split(_Files(folder, paths), column, ids, fingerprint_items(column, contents))


def _folders(place: Path) -> list[Path]:
    """The folders in a folder, sorted.

    Raises:
        DatasetError: if it is none, or cannot be looked into.
    """
    try:
        return sorted(entry for entry in place.iterdir() if entry.is_dir())
    except OSError as error:
        raise DatasetError(f"{place} must be a folder of class folders: {error.strerror or error}") from None


def _images(class_folder: Path) -> list[Path]:
    try:
        return sorted(file for file in class_folder.rglob("*") if file.suffix.lower() in ENDINGS)
    except OSError as error:
        raise DatasetError(f"{class_folder} cannot be looked into: {error.strerror or error}") from None


def _samples(split: _Split, form: ImageFormat) -> EncodedSamples:
    return EncodedSamples(split.files, split.labels, split.ids, form, lambda row: str(split.files[row]))

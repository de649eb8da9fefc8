"""Published corruption sets, read lazily: CIFAR-10-C, CIFAR-100-C and ImageNet-C (arXiv:1903.12261)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np

from robustbench_snn.corruption.contract import EXTRA, SEVERITIES, STANDARD
from robustbench_snn.corruption.published_files import (
    ByteImages,
    Labels,
    cifar_images,
    cifar_labels,
    class_files,
    read_image,
)
from robustbench_snn.dataset.content import digest_of
from robustbench_snn.dataset.fingerprint import path_id
from robustbench_snn.errors import DatasetError, UserError, did_you_mean

Kind: TypeAlias = Literal["cifar10-c", "cifar100-c", "imagenet-c"]

_GROUPS = ("noise", "blur", "weather", "digital", "extra")


class PublishedCorruptions:
    """One published set on disk. Images and labels are read when asked for.

    Args:
        root: folder of the set. CIFAR: ``<type>.npy`` and ``labels.npy``. ImageNet-C:
            ``<type>/<severity>/<class>/<image>``, with or without the download's group folders
            (noise, blur, weather, digital, extra) in between.
        kind: which set it is.
        samples: images a severity, 10,000 in both CIFAR sets; ignored for ImageNet-C.

    Raises:
        DatasetError: if the folder is missing or holds no corruption.
        UserError: if ``kind`` is unknown.
    """

    def __init__(self, root: str | Path, kind: Kind, *, samples: int = 10_000) -> None:
        if kind not in get_args(Kind):
            raise UserError(f"unknown corruption set '{kind}'.{did_you_mean(kind, get_args(Kind))}")
        self.root, self.kind, self.samples = Path(root), kind, samples
        self._listings: dict[tuple[str, int], list[tuple[Path, int]]] = {}
        if not self.root.is_dir():
            raise DatasetError(f"{kind} is not at {root}: no such folder; unpack the published archive there")
        names = [name for name in (*STANDARD, *EXTRA) if self._place(name) is not None]
        if not names:
            form = "<type>/<severity>/<class>/ folders" if kind == "imagenet-c" else "<type>.npy files"
            raise DatasetError(f"{root} holds no {form} of {kind}, such as {STANDARD[0]}")
        self.names: tuple[str, ...] = tuple(names)
        """The corruption types found, in the authors' order."""

    def require(self, names: Sequence[str] = STANDARD) -> None:
        """Checks that these types are all there.

        Raises:
            DatasetError: naming those that are missing.
        """
        missing = [name for name in names if name not in self.names]
        if missing:
            raise DatasetError(f"{self.kind} at {self.root} lacks {', '.join(missing)}; it has {', '.join(self.names)}")

    def images(self, name: str, severity: int, start: int = 0, stop: int | None = None) -> ByteImages:
        """Images uint8 (N, H, W, 3) of rows start..stop-1 of one type and severity.

        Raises:
            DatasetError: for a missing type, or files of a wrong form.
            UserError: for a severity out of range.
        """
        self._check(name, severity)
        if self.kind == "imagenet-c":
            return self._folder_images(name, severity, slice(start, stop))
        array = cifar_images(self.root / f"{name}.npy", self.samples)
        offset = (severity - 1) * self.samples
        rows = range(self.samples)[start:stop]
        return np.array(array[offset + rows.start : offset + rows.stop])

    def labels(self, name: str, severity: int) -> Labels:
        """Class of each image of one type and severity, int64 (N,); for ImageNet-C by sorted class folder.

        Raises:
            DatasetError: if labels differ between severities (CIFAR), or files between types (ImageNet-C).
        """
        self._check(name, severity)
        if self.kind == "imagenet-c":
            return np.array([label for _, label in self._files(name, severity)], dtype=np.int64)
        return cifar_labels(self.root / "labels.npy", self.samples, self.kind)

    def content(self, names: Sequence[str], severities: Sequence[int]) -> Mapping[str, str]:
        """sha256 of what these types and severities are read from, by its place in the set.

        Args:
            names: types of the set.
            severities: 1 to 5. One file holds all severities of a CIFAR type, so that all of them count.

        Raises:
            DatasetError: if a file cannot be read.
        """
        if self.kind != "imagenet-c":
            return {file: digest_of(self.root / file) for file in (*(f"{name}.npy" for name in names), "labels.npy")}
        return {
            f"{name}/{severity}": digest_of(self._severity_folder(name, severity))
            for name in names
            for severity in severities
        }

    def rows(self, ids: Sequence[int]) -> list[int]:
        """Rows of the images that stand for the samples with these ids.

        Ids of CIFAR's test sets are row numbers; those of an image folder are hashes of ``val/CLASS/FILE`` (or
        ``test/...``), and ImageNet-C keeps class and file names.

        Raises:
            DatasetError: saying how many samples the set does not hold.
        """
        if self.kind == "imagenet-c":
            files = [f"{file.parent.name}/{file.name}" for file, _ in self._files(self.names[0], 1)]
            known = {path_id(f"{split}/{file}"): row for split in ("val", "test") for row, file in enumerate(files)}
        else:
            known = {row: row for row in range(self.samples)}
        missing = sum(sample not in known for sample in ids)
        if missing:
            raise DatasetError(
                f"{self.kind} at {self.root} holds {len(set(known.values()))} images a severity, but not {missing} of "
                f"the {len(ids)} evaluated samples: evaluate on the test set that it was made from"
            )
        return [known[sample] for sample in ids]

    def _check(self, name: str, severity: int) -> None:
        if name not in self.names:
            raise DatasetError(
                f"{self.kind} at {self.root} has no '{name}'.{did_you_mean(name, self.names)} "
                f"It has {', '.join(self.names)}"
            )
        if severity not in SEVERITIES:
            raise UserError(f"severity must be a whole number from 1 to 5, got {severity!r}")

    def _place(self, name: str) -> Path | None:
        if self.kind != "imagenet-c":
            file = self.root / f"{name}.npy"
            return file if file.is_file() else None
        folders = [self.root / name, *(self.root / group / name for group in _GROUPS)]
        return next((folder for folder in folders if folder.is_dir()), None)

    def _files(self, name: str, severity: int) -> list[tuple[Path, int]]:
        """Files of an ImageNet-C type with their labels, the same for every type and severity."""
        if (name, severity) in self._listings:
            return self._listings[name, severity]
        found = class_files(self._severity_folder(name, severity))
        first = class_files(self._severity_folder(self.names[0], 1))
        if [(file.name, label) for file, label in found] != [(file.name, label) for file, label in first]:
            raise DatasetError(
                f"{self.root}: {name}/{severity} does not hold the same classes and files as {self.names[0]}/1 "
                f"({len(found)} against {len(first)} images); is the archive unpacked completely?"
            )
        self._listings[name, severity] = found
        return found

    def _severity_folder(self, name: str, severity: int) -> Path:
        place = self._place(name)
        folder = (place or self.root / name) / str(severity)
        if not folder.is_dir():
            raise DatasetError(f"{folder} is missing: {self.kind} needs severities 1 to 5 of {name}")
        return folder

    def _folder_images(self, name: str, severity: int, rows: slice) -> ByteImages:
        files = [file for file, _ in self._files(name, severity)[rows]]
        arrays = [read_image(file) for file in files]
        for file, array in zip(files, arrays, strict=True):
            if array.shape != arrays[0].shape:
                raise DatasetError(f"{file} has shape {array.shape}, but {files[0]} has {arrays[0].shape}")
        return np.stack(arrays) if arrays else np.zeros((0, 0, 0, 3), dtype=np.uint8)

"""Recordings of which each is a file of its own, in folders of their classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from robustbench_snn.dataset.content import digest_of
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.recorded import Recordings
from robustbench_snn.errors import DatasetError
from robustbench_snn.event.stream import Events


def in_class_folders(
    root: Path,
    folders: Sequence[tuple[str, int]],
    ending: str,
    id_of: Callable[[str, str], int],
    read: Callable[[Path], Events],
) -> Recordings:
    """The files of some folders of classes; those that are not there are left out, other files are passed over.

    Args:
        root: what they are in.
        folders: each folder's path below it, and its label.
        ending: of the files, ``.bin``.
        id_of: the id of a file, of its folder and its name without the ending.
        read: a file's recording.

    Raises:
        DatasetError: if a folder cannot be looked into, a file is not named as it must be, or there is none.
    """
    found: list[tuple[int, str, int]] = []
    contents: list[str] = []
    for folder, label in folders:
        try:
            files = sorted(entry for entry in (root / folder).iterdir() if entry.suffix == ending)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DatasetError(f"{root / folder} cannot be looked into: {error.strerror or error}") from None
        found += [(id_of(folder, file.stem), f"{folder}/{file.name}", label) for file in files]
        contents.append(f"{folder} {label} {digest_of(root / folder, files)}")
    if not found:
        raise DatasetError(
            f"{root} holds no recording: no file *{ending} in {folders[0][0]} and its like; get it again"
        )
    found.sort()
    paths = [path for _, path, _ in found]
    return Recordings(
        labels=torch.tensor([label for _, _, label in found]),
        ids=torch.tensor([number for number, _, _ in found]),
        read=lambda row: read(root / paths[row]),
        contents=fingerprint(*contents),
        source=str(root),
    )

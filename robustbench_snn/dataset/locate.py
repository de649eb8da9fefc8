"""Where a dataset's files are: the folder named, the environment variable, then the usual places."""

from __future__ import annotations

import os
from pathlib import Path

from robustbench_snn.errors import DatasetError
from robustbench_snn.registry import datasets


def variable(name: str) -> str:
    """The environment variable that holds a dataset's root, ``RBSNN_<NAME>_ROOT``."""
    return f"RBSNN_{name.upper()}_ROOT"


def roots(name: str, root: str | None = None) -> list[Path]:
    """The folders to look in: the one named; else the environment variable's; else the usual places."""
    if root is not None:
        return [Path(root).expanduser()]
    if value := os.environ.get(variable(name)):
        return [Path(value).expanduser()]
    return [Path(place).expanduser() for place in datasets.declaration(name).traits.places]


def locate(name: str, root: str | None = None) -> Path | None:
    """The first folder that holds the dataset's files, or None; imports nothing of the dataset's own."""
    patterns = datasets.declaration(name).traits.files
    for place in roots(name, root):
        for part in datasets.declaration(name).traits.inside:
            folder = place / part
            if folder.is_dir() and all(any(folder.glob(pattern)) for pattern in patterns):
                return folder
    return None


def find(name: str, root: str | None = None) -> Path:
    """Like :func:`locate`, but a missing dataset is an error.

    Raises:
        DatasetError: saying where it was looked for, for what, and what to do.
    """
    folder = locate(name, root)
    if folder is None:
        raise DatasetError(_missing(name, root))
    return folder


def _missing(name: str, root: str | None) -> str:
    traits = datasets.declaration(name).traits
    looked = [str(place) for place in roots(name, root)]
    where = f"Looked for {', '.join(traits.files)} in: {', '.join(looked)}." if looked else "No folder was named."
    setting = f"set dataset.root, or the environment variable {variable(name)}, to the folder that holds it"
    advice = f"{traits.install}; or {setting}" if traits.install else setting
    return f"dataset '{name}' was not found. {where} {advice[0].upper()}{advice[1:]}."

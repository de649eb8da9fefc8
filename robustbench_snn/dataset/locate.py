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
    """The folders to look in: the one named; else the environment variable's; else the usual places.

    Raises:
        DatasetError: if a folder is below the home of nobody.
    """
    value = os.environ.get(variable(name)) or None if root is None else root
    places = datasets.declaration(name).traits.places if value is None else [value]
    try:
        return [Path(place).expanduser() for place in places]
    except RuntimeError as error:
        raise DatasetError(f"dataset '{name}': {', '.join(places)}: {error}") from None


def locate(name: str, root: str | None = None) -> Path | None:
    """The first folder that holds the dataset's files, or None; imports nothing of the dataset's own.

    Raises:
        DatasetError: if a folder cannot be looked into.
    """
    patterns = datasets.declaration(name).traits.files
    for place in roots(name, root):
        for part in datasets.declaration(name).traits.inside:
            folder = place / part
            try:
                if folder.is_dir() and all(any(folder.glob(pattern)) for pattern in patterns):
                    return folder
            except OSError as error:
                raise DatasetError(f"{folder} cannot be looked into: {error.strerror or error}") from None
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

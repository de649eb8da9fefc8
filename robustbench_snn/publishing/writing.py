"""Files into a folder, which holds nothing else that was made by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from robustbench_snn.errors import UserError

LISTING = "rbsnn-files.json"
"""Beside the files: the names of all of them, so that the next time stale ones are removed, and nothing else."""


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes files, and removes those that an earlier call wrote and this one does not.

    Args:
        files: content by path within the folder, with forward slashes.
        folder: new, empty, or written by an earlier call.

    Raises:
        UserError: if the folder holds files of someone else, or cannot be written.
    """
    before = _listed(folder)
    names = sorted({*files, LISTING})
    try:
        for name in sorted(before - set(names)):
            (folder / name).unlink(missing_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / LISTING).write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
        for directory in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            if not any(directory.iterdir()):
                directory.rmdir()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}; name another folder") from None


def _listed(folder: Path) -> set[str]:
    """What an earlier call wrote; paths that lead out of the folder are none of it."""
    path = folder / LISTING
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} is not empty and was not made by rbsnn publish; name a new folder")
        return set()
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        found = {str(name) for name in names}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); empty the folder, or name a new one") from None
    return {name for name in found if not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts}

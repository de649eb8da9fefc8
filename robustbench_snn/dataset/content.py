"""Digests of files by their content, computed once and remembered for as long as a file is not touched."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from robustbench_snn.errors import DatasetError
from robustbench_snn.reading import GIB, MALFORMED, check_file

SETTLED_SECONDS = 2.0
"""A file changed more recently than this is not remembered: it may change again within one tick of its time."""

MOST_BYTES = GIB
"""Most bytes of one file: an image, or all images of one corruption."""

_THREADS = 8


def digest_of(place: Path, files: Iterable[Path] | None = None) -> str:
    """sha256 of a file, or of a folder's files: of their paths below the folder and their contents.

    It is remembered with the files' sizes and times (of content and of inode), and found again by these without
    reading; :func:`forget` drops what is remembered.

    Args:
        place: a file, or a folder.
        files: those of the folder that count; all files below it if None.

    Raises:
        DatasetError: if a file is missing, cannot be read, is no regular file or larger than :data:`MOST_BYTES`.
    """
    place = Path(os.path.abspath(place.expanduser()))
    try:
        if not place.is_dir():
            return _found(place, {place.name: place})
        inside = (file for file in place.rglob("*") if file.is_file()) if files is None else files
        return _found(place, {Path(os.path.relpath(file, place)).as_posix(): file for file in inside})
    except OSError as error:
        raise DatasetError(f"{error.filename or place} cannot be read: {error.strerror or error}") from None


def forget() -> None:
    """Drops all that is remembered: every file is read again when it is next asked for.

    Raises:
        DatasetError: if it cannot be deleted.
    """
    try:
        cache_file().unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(f"{cache_file()} cannot be deleted: {error.strerror or error}") from None


def cache_folder() -> Path:
    """Where everything that can be made anew is kept: ``$RBSNN_CACHE``, or else ``~/.cache/robustbench_snn``."""
    return Path(os.environ.get("RBSNN_CACHE") or "~/.cache/robustbench_snn").expanduser()


def cache_file() -> Path:
    """Where digests are remembered, in the cache's folder."""
    return cache_folder() / "digests.json"


def _found(place: Path, files: Mapping[str, Path]) -> str:
    names = sorted(files)
    seen, newest = hashlib.sha256(), 0
    for name in names:
        state = _checked(files[name])
        seen.update(json.dumps([name, state.st_size, state.st_mtime_ns, state.st_ctime_ns]).encode())
        newest = max(newest, state.st_mtime_ns, state.st_ctime_ns)
    remembered = _read().get(str(place))
    if remembered is not None and remembered[0] == seen.hexdigest():
        return remembered[1]
    begun = time.time()
    with ThreadPoolExecutor(_THREADS) as pool:
        contents = list(pool.map(_sha256, (files[name] for name in names)))
    whole = hashlib.sha256(json.dumps([names, contents]).encode()).hexdigest()
    if newest / 1e9 < begun - SETTLED_SECONDS:
        _remember(str(place), seen.hexdigest(), whole)
    return whole


def _checked(file: Path) -> os.stat_result:
    """What the system says of a file that may be digested.

    Raises:
        OSError: naming the file, if it is no regular file or too large.
    """
    try:
        return check_file(file, MOST_BYTES)
    except OSError as error:
        raise OSError(error.errno or errno.EINVAL, error.strerror or str(error), str(file)) from None


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read() -> dict[str, tuple[str, str]]:
    """Digests of state and content by place; none where the file is missing, or not what was written there."""
    try:
        entries = json.loads(cache_file().read_text(encoding="utf-8"))
        return {place: (str(seen), str(whole)) for place, (seen, whole) in entries.items()}
    except MALFORMED:
        return {}


def _remember(place: str, seen: str, whole: str) -> None:
    """Adds one entry; where the folder cannot be written, nothing is remembered."""
    file = cache_file()
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(_read() | {place: (seen, whole)}, indent=0), encoding="utf-8")
        part.replace(file)

"""What to say when the operating system refuses to read or write: what it is, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robustbench_snn.errors import StoreError, StoreWriteError

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""By their types: readers of formats raise these without a number."""
_SAID = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
}


def told(error: OSError, about: Path | None = None) -> str:
    """What the operating system says, in words: ``the disk is full``.

    Args:
        error: that was raised.
        about: what the sentence is about; where the error is of a file elsewhere, that is named.
    """
    if about is not None and isinstance(error.filename, str):
        file = Path(error.filename)
        if about.parent not in file.parents and file not in about.parents:
            return f"{told(error)}: {file}"
    if isinstance(error, PermissionError):
        return "permission denied"
    return _SAID.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def is_of_content(error: OSError) -> bool:
    """Whether an error tells that a file is missing or not what it should be, not that it could not be looked at.

    Readers of formats raise errors without a number for what they cannot parse.
    """
    return isinstance(error, _ABSENT) or (error.errno is None and not isinstance(error, PermissionError))


def unreadable(path: Path, error: Exception, remedy: str) -> StoreError:
    """The error for a file that could not be read: missing, damaged, or kept from us, each with what to do.

    Args:
        path: of the file.
        error: why.
        remedy: what to do about one that is missing or damaged.
    """
    if isinstance(error, _ABSENT):
        return StoreError(f"{path} is missing; {remedy}")
    if isinstance(error, PermissionError):
        return StoreError(f"permission denied: {path}; let this user read it, nothing is wrong with what it holds")
    if isinstance(error, OSError) and not is_of_content(error):
        return StoreError(f"{path} cannot be read: {told(error)}; try again when it can")
    first = next(iter(str(error).splitlines()), type(error).__name__)
    return StoreError(f"{path} is damaged ({first}); {remedy}")


@contextmanager
def writing(path: Path, option: str = "--store") -> Iterator[None]:
    """Says what to do where the operating system refuses to write.

    Args:
        path: of what is written.
        option: of the command line, which names another place.

    Raises:
        StoreWriteError: in place of any OSError.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space (rbsnn gc shows what can go)"
        else:
            remedy = f"mend that, or name another folder with {option}"
        raise StoreWriteError(
            f"{path} cannot be written: {told(error, path)}; {remedy}, and run again: what is done is kept"
        ) from error

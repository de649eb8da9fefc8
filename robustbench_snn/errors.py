"""Errors that a user can act on.

Everything that is the user's to mend (a typo, a missing dataset, an impossible parameter) is raised as a
:class:`UserError`. The command line prints its message without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
import reprlib
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class UserError(Exception):
    """Something the user can mend; the message says what is wrong and what to do."""


class UnknownNameError(UserError):
    """A component name that no registry holds."""


class DatasetError(UserError):
    """A dataset that is missing, truncated or not what its format promises."""


class StoreError(UserError):
    """A record, checkpoint or results folder that cannot be read or written."""


class StoreWriteError(StoreError):
    """A place that takes no more files: the disk is full or read-only, or permission is missing.

    It is nobody's result: a cell that meets it has not failed, and is to be computed again.
    """


class Stopped(BaseException):
    """A signal that ends this process: what is under way is dropped, what is finished is kept.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


MOST_SHOWN = 500
"""Characters of a message that are shown: what is quoted in it may be as long as a file."""
_LONGEST_NAME = 100


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the closest known name, or an empty string when nothing is near."""
    if len(name) > _LONGEST_NAME:  # the comparison takes the square of the length
        return ""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""


def shortened(text: str) -> str:
    """The text, or its beginning and its end where it is longer than :data:`MOST_SHOWN`."""
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 100]} [...] {text[-80:]}"


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxstring, self.maxother = 3, 6, 6, 80, 80

    def repr_int(self, x: int, level: int) -> str:
        """Python itself refuses to write an integer of thousands of digits."""
        return f"an integer of {x.bit_length()} bits" if x.bit_length() > 256 else repr(x)


def shown(value: Any) -> str:
    """A value as Python writes it, shortened, for messages that say what was got."""
    return _Shown().repr(value)


def raised(error: BaseException) -> str:
    """What a component's author needs of an error that is not ours: its type, its message, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" (in {Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return shortened(f"{type(error).__name__}: {error}") + place

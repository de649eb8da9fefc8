"""Errors that a user can act on.

Everything that is the user's to mend (a typo, a missing dataset, an impossible parameter) is raised as a
:class:`UserError`. The command line prints its message without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the closest known name, or an empty string when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""

"""The command that makes a record again, as far as the record tells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from robustbench_snn.store.records import Record

_PLACES = frozenset({"--jobs", "--store", "--results", "--device", "--drafts"})
"""Options of ``rbsnn run`` that say where and how, with a value, and change no number."""


def reproduce(record: Record) -> str:
    """The commands, a line each: the program's version, then the suite; empty where the record does not tell.

    Of absolute paths only the file's name is told: the folders are those of another machine.
    """
    command = list(record.provenance.command)
    if "run" not in command:
        return ""
    lines = [f"git checkout {record.provenance.git_commit}"] if record.provenance.git_commit else []
    wanted = _kept(command[command.index("run") + 1 :])
    named = [Path(word).name if Path(word).is_absolute() else word for word in wanted]
    return "\n".join([*lines, shlex.join(["rbsnn", "run", *named, "--draft"])])


def _kept(words: Sequence[str]) -> list[str]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _PLACES:
            skip = True
        elif word not in ("--draft", "--publish") and word.partition("=")[0] not in _PLACES:
            kept.append(word)
    return kept

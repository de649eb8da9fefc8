"""Who holds something in a folder that several processes share, and whether that process still runs."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from robustbench_snn.strict import Strict

_STATE, _THREADS, _STARTED = 0, 17, 19
"""Places in ``/proc/PID/stat`` behind the name: state, threads, start in ticks since boot (proc_pid_stat(5))."""


class Owner(Strict):
    """A process, told apart from every other one of every machine.

    Attributes:
        pid: its number.
        started: when it began, in the kernel's ticks since boot; empty where there is no ``/proc``.
        host: name of its machine, for people.
        machine: where its number counts: digest of host, boot and PID namespace.
        since: UTC, ISO 8601: when it took what it holds.
        token: differs for everything that is ever held.
    """

    pid: int
    started: str
    host: str
    machine: str
    since: str
    token: str = Field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def here(cls) -> Owner:
        """This process, now."""
        pid = os.getpid()
        host, since = platform.node(), datetime.now(UTC).isoformat(timespec="seconds")
        return cls(pid=pid, started=_started(pid), host=host, machine=this_machine(), since=since)

    def is_running(self) -> bool | None:
        """Whether it still runs; None if that cannot be told from here."""
        return is_running(self.pid, self.started, self.machine)

    def told(self) -> str:
        """For messages: ``process 12 on tesla, since 2026-01-01T00:00:00+00:00``."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def tag() -> str:
    """This process in few characters, for the names of its scratch files; :func:`is_running` takes its parts."""
    pid = os.getpid()
    return f"{pid}-{_started(pid)}-{this_machine()}"


def is_running(pid: int, started: str, machine: str) -> bool | None:
    """Whether a process still runs; None if that cannot be told from here.

    It can be told on the same boot of the same machine and within one PID namespace: by number and start time where
    there is a ``/proc``; elsewhere a number that is gone is gone, and one that is there may be another process's.

    Args:
        pid: its number.
        started: its start time as :class:`Owner` has it.
        machine: see :func:`this_machine`.
    """
    if machine != this_machine():
        return None
    found = _stat(pid)
    if found is not None:
        ended = found[_STATE] in "ZX" and int(found[_THREADS]) <= 1  # the first thread may end before the others
        return found[_STARTED] == started and not ended
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # /proc may hide the processes of others
        return None
    return None


@functools.cache
def this_machine() -> str:
    """Where a process number counts: 16 hexadecimal digits for this host, its boot and this PID namespace."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _started(pid: int) -> str:
    found = _stat(pid)
    return "" if found is None else found[_STARTED]


def _stat(pid: int) -> list[str] | None:
    """What the kernel says of a process, behind its name, which may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None

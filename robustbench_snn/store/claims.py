"""Exclusive claims on cells and folders, among processes of one machine or of several that share a file system.

A claim is a small file that says who holds it (:class:`~.owners.Owner`). Two holders at once would only compute the
same cell twice: records are written whole, and the first one stays. Relied on:

- Making: a file is written under another name and linked to its own, which fails where there is one (POSIX; also NFS,
  whose lost answers are told by the number of links). File systems without links make it with ``O_EXCL``.
- Staleness: on the same boot of the same machine the kernel is asked whether the holder runs, and a claim of one that
  does not is free at once. Any other holder touches its file every :data:`BEAT` seconds; its claim is free when the
  file's time is :data:`STALE_AFTER` seconds away from the file system's own now, the time of a file made for that.
  Clocks of machines are never compared.
- Taking over and releasing happen under ``flock`` on a file beside, and with a fresh look: of two takers one wins, and
  nobody removes a fresh claim. Where the file system has no ``flock``, two takers in the same instant could both win.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from robustbench_snn.errors import StoreError
from robustbench_snn.store.durable import scratch_of
from robustbench_snn.store.os_errors import writing
from robustbench_snn.store.owners import Owner

BEAT = 10.0
"""Seconds between two signs of life of a claim."""

STALE_AFTER = 120.0
"""Seconds without a sign of life after which a claim of another machine is free."""

PATIENCE = 600.0
"""Seconds that :func:`locked` waits for a holder that is alive."""

LOCK, GUARD = ".lock", ".guard"
"""Ends of the names of claims beside a file or folder, and of what guards a claim while it is replaced."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
_NO_LOCKS = (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL, errno.EBADF)


class Claim:
    """Something that this process holds until it is released, or the process ends; a context manager.

    Args:
        path: its file.
        owner: as the file says.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.owner = owner

    @property
    def held(self) -> bool:
        """Whether it is still ours: not released, not taken over by another machine, and not our parent's."""
        return os.getpid() == self.owner.pid and owner_of(self.path) == self.owner

    def release(self) -> None:
        """Gives it back; nothing happens if it is no longer ours."""
        _HEART.drop(self)
        with suppress(OSError), _guarded(self.path):
            if self.held:
                self.path.unlink()

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def claim(path: Path, stale_after: float = STALE_AFTER) -> Claim | None:
    """Claims what a file stands for; never waits for a holder.

    Args:
        path: the file, made with its folder.
        stale_after: seconds without a sign of life after which a holder that cannot be asked is taken to be gone.

    Returns:
        None if somebody who is alive holds it.

    Raises:
        StoreWriteError: if the file cannot be written.
    """
    with writing(path):
        if path.exists() and not is_stale(path, stale_after):
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        owner, scratch = Owner.here(), scratch_of(path)
        try:
            scratch.write_text(owner.model_dump_json(), encoding="utf-8")
            if not (_made(scratch, path) or _taken_over(scratch, path, stale_after)):
                return None
        finally:
            scratch.unlink(missing_ok=True)
    found = Claim(path, owner)
    _HEART.add(found)
    return found


def clear(path: Path) -> bool:
    """Removes a claim whose holder is gone, and what a kill left of its guard; False if somebody is alive.

    Raises:
        OSError: if it cannot be removed.
    """
    with _guarded(path):
        if not is_stale(path):
            return False
        path.unlink(missing_ok=True)
    return True


@contextmanager
def locked(path: Path, doing: str) -> Iterator[Claim]:
    """Holds the claim beside a file or folder, waiting for whoever holds it, :data:`PATIENCE` seconds at most.

    Args:
        path: what is to be changed by one process at a time.
        doing: what for, in the words of the message for one that waited in vain.

    Raises:
        StoreWriteError: if the claim cannot be written.
        StoreError: if somebody else holds it for too long.
    """
    file = lock_of(path)
    until = time.monotonic() + PATIENCE
    while (held := claim(file)) is None:
        if time.monotonic() > until:
            holder = owner_of(file)
            whose = holder.told() if holder else "another process"
            raise StoreError(f"{whose} is {doing} {path}; run again when it is done: what is computed is kept")
        time.sleep(0.05)
    with held:
        yield held


def lock_of(path: Path) -> Path:
    """The file of the claim beside a file or folder."""
    return path.with_name(f".{path.name}{LOCK}")


def owner_of(path: Path) -> Owner | None:
    """Who holds a claim, alive or not; None if nobody does, or the file does not say."""
    try:
        return Owner.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def is_stale(path: Path, stale_after: float = STALE_AFTER) -> bool:
    """Whether nobody who is alive holds a claim; also if there is none.

    Raises:
        OSError: if that cannot be found out.
    """
    holder = owner_of(path)
    running = holder.is_running() if holder else None
    if running is not None:
        return not running
    try:
        return abs(now_in(path.parent) - path.stat().st_mtime) > stale_after  # times ahead are of a clock set back
    except FileNotFoundError:
        return True


def now_in(folder: Path) -> float:
    """The time, by the clock that gives the files of a folder theirs.

    Raises:
        OSError: if no file can be made there.
    """
    probe = scratch_of(folder / "probe")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _made(scratch: Path, path: Path) -> bool:
    """Makes the claim's file with the content of ``scratch``; False if there is one."""
    try:
        os.link(scratch, path)
    except FileExistsError:
        return scratch.stat().st_nlink == 2  # NFS: made, but the answer was lost and the question asked again
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with suppress(FileExistsError), path.open("xb") as file:
            file.write(scratch.read_bytes())
            return True
        return False
    return True


def _taken_over(scratch: Path, path: Path, stale_after: float) -> bool:
    """Puts ``scratch`` in place of a claim whose holder is gone; False if somebody was faster."""
    with _guarded(path):
        if not path.exists():
            return _made(scratch, path)
        if not is_stale(path, stale_after):
            return False
        os.replace(scratch, path)
        return True


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """One process at a time removes or replaces a claim; the kernel gives the guard back for one that dies."""
    file = path.with_name(f".{path.name}{GUARD}")
    while True:
        handle = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            with suppress(FileNotFoundError):  # whoever had it before removed it
                if os.path.samestat(os.fstat(handle), os.stat(file)):
                    break
        except OSError as error:
            if error.errno in _NO_LOCKS:
                break
            os.close(handle)
            raise
        os.close(handle)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)


class _Heart:
    """One thread that gives signs of life for all claims of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: list[Claim] = []
        self._thread: threading.Thread | None = None
        self._never = threading.Event()

    def add(self, held: Claim) -> None:
        with self._lock:
            self._claims.append(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="claims", daemon=True)
                self._thread.start()

    def drop(self, held: Claim) -> None:
        with self._lock:
            self._claims = [other for other in self._claims if other is not held]

    def _beat(self) -> None:
        while not self._never.wait(BEAT):
            with self._lock:
                claims = list(self._claims)
            for held in claims:
                if held.held:
                    with suppress(OSError):
                        os.utime(held.path)  # to the file system's now


_HEART = _Heart()
os.register_at_fork(after_in_child=_HEART.__init__)  # type: ignore[misc]  # the thread and the claims are the parent's

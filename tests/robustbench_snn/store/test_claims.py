"""Claims: one holder at a time, whoever is killed and whatever the clocks say."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from robustbench_snn.errors import StoreError, StoreWriteError
from robustbench_snn.store import claims, owners
from robustbench_snn.store.claims import Claim, claim, locked
from robustbench_snn.store.owners import Owner
from robustbench_snn.store.store import Store

KEY, OTHER = "a" * 64, "b" * 64
FORK = multiprocessing.get_context("fork")


def left_by(path: Path, **changes: object) -> Owner:
    """A claim's file as somebody else left it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = Owner.here().model_copy(update={"token": "theirs", **changes})
    path.write_text(owner.model_dump_json())
    return owner


def aged(path: Path, seconds: float) -> None:
    facts = path.stat()
    os.utime(path, (facts.st_atime, facts.st_mtime - seconds))


def gone() -> Owner:
    """A process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return Owner.here().model_copy(update={"pid": child.pid, "started": "1"})


def test_a_claim_is_exclusive_until_it_is_released(tmp_path: Path) -> None:
    store = Store(tmp_path)
    held = store.claim(KEY)
    assert held is not None
    assert held.held
    assert store.claim(KEY) is None
    assert Store(tmp_path).claimed_by(KEY) == held.owner
    with store.claim(OTHER) as other:  # type: ignore[union-attr]
        assert other.held
    assert not other.held
    assert store.claimed_by(OTHER) is None
    held.release()
    held.release()  # once more does nothing
    assert not held.held
    assert list((tmp_path / "claims").iterdir()) == []
    assert store.claim(KEY) is not None


def test_the_owner_says_who_it_is(tmp_path: Path) -> None:
    held = claim(tmp_path / "c.json")
    assert held is not None
    assert held.owner.pid == os.getpid()
    assert held.owner.host
    assert held.owner.told().startswith(f"process {os.getpid()} on {held.owner.host}, since 20")
    if Path("/proc/self/stat").exists():  # field 22 of proc_pid_stat(5), read another way
        assert f" {held.owner.started} " in Path("/proc/self/stat").read_text()


def test_a_dead_process_of_this_machine_loses_its_claim_at_once(tmp_path: Path) -> None:
    store, dead = Store(tmp_path), gone()
    left_by(tmp_path / "claims" / f"{KEY}.json", pid=dead.pid, started=dead.started)
    assert store.claimed_by(KEY) is None
    held = store.claim(KEY)
    assert held is not None
    assert store.claimed_by(KEY) == held.owner


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="start times are read from /proc")
def test_a_new_process_of_the_same_number_is_not_the_holder(tmp_path: Path) -> None:
    left_by(tmp_path / "c.json", started="1")  # our number, another start
    assert claim(tmp_path / "c.json") is not None


def test_a_process_that_waits_to_be_reaped_is_gone(tmp_path: Path) -> None:
    child = FORK.Process(target=_hold_and_die, args=(tmp_path / "c.json",))
    child.start()
    os.waitid(os.P_PID, child.pid or 0, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    assert (tmp_path / "c.json").exists()
    assert claim(tmp_path / "c.json") is not None
    child.join()


def _hold_and_die(path: Path) -> None:
    assert claim(path) is not None
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("age", "free"), [(100.0, False), (130.0, True), (-100.0, False), (-130.0, True)])
def test_another_machine_loses_its_claim_when_its_file_has_not_moved(tmp_path: Path, age: float, free: bool) -> None:
    path = tmp_path / "c.json"
    left_by(path, machine="elsewhere", pid=1)
    aged(path, age)
    assert claims.is_stale(path) is free
    assert (claim(path) is not None) is free


def test_clocks_of_machines_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.json"
    left_by(path, machine="elsewhere", since="1970-01-01T00:00:00+00:00")
    for seconds in (-1e9, 1e9):
        monkeypatch.setattr(time, "time", lambda jump=seconds: jump)
        assert claim(path) is None
    assert claim(path, stale_after=-1.0) is not None


def test_a_claim_that_does_not_say_whose_it_is_gets_old_too(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("")
    assert claim(path) is None
    assert claims.owner_of(path) is None
    aged(path, 130)
    assert claim(path) is not None


def test_signs_of_life_are_given_by_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT", 0.01)
    monkeypatch.setattr(claims, "_HEART", claims._Heart())
    before = sum(thread.name == "claims" for thread in threading.enumerate())
    held = [claim(tmp_path / f"{name}.json") for name in "abc"]
    for one in held:
        assert one is not None
        aged(one.path, 1000)
    old = [one.path.stat().st_mtime for one in held if one]
    assert waited(lambda: all(one.path.stat().st_mtime > then + 500 for one, then in zip(held, old, strict=True)))  # type: ignore[union-attr]
    assert sum(thread.name == "claims" for thread in threading.enumerate()) == before + 1


def waited(condition: Callable[[], object], seconds: float = 60) -> bool:
    """Whether it came true; the limit only ends a test that has failed."""
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(condition())


def test_whoever_lost_a_claim_neither_keeps_it_alive_nor_removes_it(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    held = claim(path)
    assert held is not None
    theirs = left_by(path)  # taken over by another machine, while this one was suspended
    assert not held.held
    held.release()
    assert claims.owner_of(path) == theirs


def test_a_forked_child_does_not_hold_what_its_parent_does(tmp_path: Path) -> None:
    held = claim(tmp_path / "c.json")
    assert held is not None
    child = FORK.Process(target=_release_in_child, args=(held,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert held.held


def _release_in_child(held: Claim) -> None:
    assert not held.held
    held.release()


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "link", _refusing(number))
    held = claim(tmp_path / "c.json")
    assert held is not None
    assert held.held
    assert claim(tmp_path / "c.json") is None


def test_a_lost_answer_of_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_and_forgotten(source: Path, target: Path, link: Callable[[Path, Path], None] = os.link) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "asked twice")

    monkeypatch.setattr(os, "link", made_and_forgotten)
    assert claim(tmp_path / "c.json") is not None


def test_a_file_system_without_locks_still_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", _refusing(errno.ENOLCK))
    dead = gone()
    left_by(tmp_path / "c.json", pid=dead.pid, started=dead.started)
    assert claim(tmp_path / "c.json") is not None


def test_where_no_claim_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", _refusing(errno.ENOSPC))
    with pytest.raises(StoreWriteError, match=r"the disk is full; free some space \(rbsnn gc"):
        claim(tmp_path / "c.json")
    assert list(tmp_path.iterdir()) == []


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_whoever_waits_in_vain_is_told_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "PATIENCE", 0.0)
    told = rf"process {os.getpid()} on .* is publishing .*tab; run again when"
    with (
        locked(tmp_path / "tab", "publishing"),
        pytest.raises(StoreError, match=told),
        locked(tmp_path / "tab", "publishing"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_start_time_is_read_behind_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = ["S", *map(str, range(4, 53))]
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"12 (a) (b c) {' '.join(fields)}\n")
    assert owners._started(12) == "22"


@pytest.mark.parametrize(
    ("processes", "rounds", "deaths"),
    [
        (4, 25, 0.0),
        (4, 25, 0.2),
        pytest.param(8, 200, 0.0, marks=pytest.mark.slow),
        pytest.param(8, 200, 0.1, marks=pytest.mark.slow),
    ],
)
def test_there_are_never_two_holders(tmp_path: Path, processes: int, rounds: int, deaths: float) -> None:
    """The kernel is the witness: it gives back the lock of a process that dies, before it is known as dead."""
    store = Store(tmp_path / "store")
    counts = [0] * processes
    running: dict[int, multiprocessing.process.BaseProcess] = {}
    killed = 0
    while any(count < rounds for count in counts):
        for slot in range(processes):
            if slot not in running and counts[slot] < rounds:
                left = tmp_path / f"rounds-{slot}"
                args = (store, tmp_path, left, rounds - counts[slot], deaths, slot * 1000 + counts[slot])
                running[slot] = FORK.Process(target=_take_turns, args=args)
                running[slot].start()
        for slot, process in list(running.items()):
            process.join(0.02)
            if process.exitcode is None:
                continue
            assert process.exitcode in (0, -signal.SIGKILL)
            killed += process.exitcode != 0
            counts[slot] += (tmp_path / f"rounds-{slot}").stat().st_size
            (tmp_path / f"rounds-{slot}").unlink()
            del running[slot]
    assert not list(tmp_path.glob("two-holders-*"))
    assert bool(killed) is (deaths > 0)
    assert [file for file in (tmp_path / "store" / "claims").iterdir() if file.suffix == ".guard" and not deaths] == []


def _take_turns(store: Store, folder: Path, log: Path, rounds: int, deaths: float, seed: int) -> None:
    draw = random.Random(seed)
    with log.open("ab", buffering=0) as done:
        for number in range(rounds):
            key = draw.choice([KEY, OTHER])
            held = store.claim(key)
            done.write(b".")
            if held is None:
                time.sleep(draw.random() * 0.002)
                continue
            witness = os.open(folder / key[:4], os.O_CREAT | os.O_RDWR)
            try:
                fcntl.flock(witness, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                (folder / f"two-holders-{os.getpid()}-{number}").touch()
            time.sleep(draw.random() * 0.002)
            if draw.random() < deaths:
                os.kill(os.getpid(), signal.SIGKILL)
            if not held.held:
                (folder / f"two-holders-{os.getpid()}-{number}").touch()
            os.close(witness)
            held.release()

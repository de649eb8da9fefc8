"""Kills runs of a small suite in every way, resumes them, and counts what was lost: the table of docs/reliability.md.

    python docs/scripts/fault_trials.py --kills 200 --concurrent 100 --seed 0

Each trial has a store and a results folder of its own. A run is killed, or several runs share the store; then the same
command runs undisturbed, and records and table are held against those of a run that nobody disturbed. Trials that are
done are in FOLDER/trials.jsonl: the same command goes on from there. The folder of a trial that found something stays.

Runs are forked from this process, which has imported everything: only their start is saved. A worker is started as
always, so trials that kill one take longer. POSIX with ``/proc``.
"""

from __future__ import annotations

import argparse
import builtins
import importlib
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from robustbench_snn import cli
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.leaderboard.versions import load_table, versions
from robustbench_snn.store.checks import SAMPLES, of_model
from robustbench_snn.store.files import cell_keys
from robustbench_snn.store.leftovers import leftovers, leftovers_of_results
from robustbench_snn.store.merging import examined
from robustbench_snn.store.records import Record

SUITE: dict[str, Any] = {
    "name": "faults",
    "dataset": {"name": "digits", "limit": 64, "train_limit": 64},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 2, "batch_size": 32},
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}],
    "evaluations": ["clean", {"fgsm": {"eps": 0.05}}],
}
KILLS = ("between", "SIGKILL", "between", "SIGTERM", "between", "SIGINT", "fresh", "worker")
"""The faults that trials take in turn."""
SAID = {
    "between": "SIGKILL between two file operations",
    "fresh": "the same, of run --fresh on a finished store",
    "SIGKILL": "SIGKILL at a random time",
    "SIGTERM": "SIGTERM at a random time",
    "SIGINT": "Ctrl-C at a random time",
    "worker": "SIGKILL of a worker process",
    "concurrent": "runs at once on one store",
    "concurrent fresh": "runs at once, one with --fresh",
}
CALLS = ("rename", "replace", "mkdir", "unlink", "rmdir", "link", "fsync", "utime")
"""Functions of ``os`` that change a disk."""
GRACE = 30.0
"""Seconds after the end of a run in which its other processes must end too."""


@dataclass(frozen=True)
class Trial:
    """What came of a fault.

    Attributes:
        fault: a key of :data:`SAID`.
        index: of the trial.
        lost: cells that were finished, and were not there, or were computed again, after the next run.
        wrong: records and rows that differ from those of the undisturbed run.
        failures: exit codes and versions that say something failed, though nothing did.
        orphans: processes that outlived their run.
        left: files and folders that ``rbsnn gc`` still finds after the next run.
    """

    fault: str
    index: int
    lost: int
    wrong: int
    failures: int
    orphans: int
    left: int


class Place:
    """A store and a results folder.

    Args:
        folder: of both, made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.results = folder / "runs", folder / "results"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "suite.yaml").write_text(json.dumps(SUITE), encoding="utf-8")

    def start(self, *options: str, prepare: Callable[[], object] = lambda: None) -> int:
        """Forks a run, the leader of a session of its own; returns its process number."""
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            os.setsid()
            os.chdir(self.folder)
            for stream, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(f"{name}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644), stream)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            sys.argv = ["rbsnn", "run", "suite.yaml", "--publish", *options]
            prepare()
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                Path("modules.json").write_text(json.dumps(sorted(sys.modules)), encoding="utf-8")
            os._exit(code)

    def run(self, *options: str) -> int:
        """Runs to the end; returns the exit code."""
        return ended(self.start(*options))

    def cells(self) -> dict[str, Record]:
        """The sound cells."""
        found = {key: examined(self.store / "cells" / key, key) for key in cell_keys(self.store)}
        return {key: record for key, record in found.items() if isinstance(record, Record)}

    def numbers(self) -> dict[str, object]:
        """All numbers of records and of the last version's rows, by key and by model."""
        found: dict[str, object] = {
            key: (record.weights_sha256, of_model(record), record.flags, record.files.get(SAMPLES))
            for key, record in self.cells().items()
        }
        table = load_table(self.results, "faults")
        assert isinstance(table, Table)
        return found | {row.model: row.model_dump(mode="json") for row in table.rows}


def ended(process: int) -> int:
    """Waits for a run; returns its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def session_of(leader: int) -> list[int]:
    """The living processes of a run's session."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit():
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
                if fields[3] == str(leader) and fields[0] not in "ZX":
                    found.append(int(entry.name))
    return found


def orphans_of(leader: int) -> int:
    """How many processes outlive their run; they are ended then."""
    until = time.monotonic() + GRACE
    while (left := session_of(leader)) and time.monotonic() < until:
        time.sleep(0.05)
    for process in left:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(left)


def hook(folder: Path, note: Callable[[], object]) -> None:
    """Calls ``note`` before every operation of this process that changes something below a folder."""

    def before(call: Callable[..., Any], always: bool) -> Callable[..., Any]:
        def noted(*arguments: Any, **named: Any) -> Any:
            paths = [str(one) for one in arguments[:2] if isinstance(one, str | os.PathLike)]
            if always or any(os.path.abspath(path).startswith(str(folder)) for path in paths):
                note()
            return call(*arguments, **named)

        return noted

    def opening(call: Callable[..., Any]) -> Callable[..., Any]:
        noting = before(call, False)

        def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            return (noting if set(mode) & set("wxa+") else call)(file, mode, *arguments, **named)

        return opened

    for name in CALLS:
        setattr(os, name, before(getattr(os, name), name == "fsync"))
    io.open = builtins.open = opening(builtins.open)


def count_operations(place: Place, *options: str) -> int:
    """How many file operations a run makes."""
    tally = place.folder / "operations"

    def count() -> None:
        handle = os.open(tally, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        hook(place.folder.resolve(), lambda: os.write(handle, b"."))

    assert ended(place.start(*options, prepare=count)) == 0
    return tally.stat().st_size


def killing_at(place: Place, number: int) -> Callable[[], None]:
    """Makes a run kill itself before the given file operation."""

    def prepare() -> None:
        done = 0

        def note() -> None:
            nonlocal done
            done += 1
            if done == number:
                os.kill(os.getpid(), signal.SIGKILL)

        hook(place.folder.resolve(), note)

    return prepare


def kill_a_worker(leader: int, draw: random.Random, seconds: float) -> None:
    """Waits for worker processes, and kills one of them at a random time."""
    until = time.monotonic() + 60
    while len(workers := [one for one in session_of(leader) if one != leader]) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(draw.uniform(0, seconds))
    with suppress(ProcessLookupError, IndexError):
        os.kill(draw.choice(workers), signal.SIGKILL)


@dataclass(frozen=True)
class Undisturbed:
    """The run that all others are held against."""

    numbers: dict[str, object]
    seconds: float
    operations: int
    fresh: int


def undisturbed(folder: Path) -> Undisturbed:
    """Runs the suite four times: for what it imports, its time, its file operations, and those of --fresh."""
    shutil.rmtree(folder, ignore_errors=True)
    first = Place(folder / "first")
    assert first.run() == 0, f"the suite does not run: {first.folder / 'stderr.log'}"
    for name in json.loads((first.folder / "modules.json").read_text(encoding="utf-8")):
        with suppress(Exception):  # what it imported when it needed it
            importlib.import_module(name)
    began = time.monotonic()
    place = Place(folder / "timed")
    assert place.run() == 0
    seconds = time.monotonic() - began
    counted = Place(folder / "counted")
    operations = count_operations(counted)
    (counted.folder / "operations").unlink()
    return Undisturbed(place.numbers(), seconds, operations, count_operations(counted, "--fresh"))


def killed(fault: str, index: int, folder: Path, like: Undisturbed, draw: random.Random) -> Trial:
    """Kills one run, resumes it, and judges what is there then."""
    place, options = Place(folder), ["--jobs", "2"] if fault == "worker" else []
    if fault == "fresh":
        assert place.run() == 0
    if fault in ("between", "fresh"):
        options = ["--fresh"] if fault == "fresh" else []
        number = draw.randint(1, like.fresh if fault == "fresh" else like.operations)
        leader = place.start(*options, prepare=killing_at(place, number))
        options = []
    else:
        leader = place.start(*options)
        if fault == "worker":
            kill_a_worker(leader, draw, like.seconds)
        else:
            time.sleep(draw.uniform(0, like.seconds))
            with suppress(ProcessLookupError):
                os.kill(leader, getattr(signal, fault))
    code = ended(leader)
    orphans = orphans_of(leader)
    before = place.cells()
    failures = int(fault == "worker" and code != 0) + int(place.run(*options) != 0)
    return judged(fault, index, place, like, before, failures, orphans)


def together(fault: str, index: int, folder: Path, runs: int, like: Undisturbed, draw: random.Random) -> Trial:
    """Lets several runs share a store and a results folder."""
    place = Place(folder)
    if fault == "concurrent fresh":
        assert place.run() == 0
    leaders = []
    for number in range(runs):
        time.sleep(draw.uniform(0, 0.3) if number else 0)
        leaders.append(place.start(*(["--fresh"] if fault == "concurrent fresh" and number == 0 else [])))
    failures = sum(ended(leader) != 0 for leader in leaders)
    orphans = sum(orphans_of(leader) for leader in leaders)
    before = place.cells()
    failures += int(place.run() != 0)
    return judged(fault, index, place, like, before, failures, orphans)


def judged(
    fault: str, index: int, place: Place, like: Undisturbed, before: dict[str, Record], failures: int, orphans: int
) -> Trial:
    """Holds what is there after the next run against the cells before it, and against the undisturbed run."""
    after = place.cells()
    lost = sum(key not in after or after[key].content_sha256 != one.content_sha256 for key, one in before.items())
    known = versions(place.results, "faults")
    failures += len(known) != 1
    failures += sum(bool(one.findings) for one in verify(place.results)) if known else 0
    failures += len(list((place.store / "failed").glob("*.json")))
    numbers = place.numbers() if known else {}
    wrong = sum(numbers.get(name) != value for name, value in like.numbers.items()) + len(numbers.keys() - like.numbers)
    left = len(list(leftovers(place.store))) + len(list(leftovers_of_results(place.results)))
    return Trial(fault, index, lost, wrong, failures, orphans, left)


def table_of(trials: list[Trial]) -> str:
    """The trials as a markdown table, a line a fault."""
    lines = ["| fault | trials | cells lost | wrong numbers | false failures | orphans | left over |"]
    lines.append("|---|---|---|---|---|---|---|")
    for fault, said in SAID.items():
        if found := [trial for trial in trials if trial.fault == fault]:
            names = ("lost", "wrong", "failures", "orphans", "left")
            sums = [str(sum(getattr(one, name) for one in found)) for name in names]
            lines.append(f"| {said} | {len(found)} | {' | '.join(sums)} |")
    return "\n".join(lines)


def main() -> None:
    """Runs the trials that are missing, then prints the table of all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=0, help="Trials that kill a run.")
    parser.add_argument("--concurrent", type=int, default=0, help="Trials of several runs on one store.")
    parser.add_argument("--runs", type=int, default=2, help="Runs at once in each of these.")
    parser.add_argument("--faults", nargs="*", choices=sorted(set(KILLS)), help="Only these kills.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/fault-trials"))
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    folder = wanted.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "trials.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    trials = [Trial(**json.loads(line)) for line in lines]
    done = {(trial.fault, trial.index) for trial in trials}
    kills = [fault for fault in KILLS if not wanted.faults or fault in wanted.faults]
    plan = [(kills[index % len(kills)], index) for index in range(wanted.kills)]
    plan += [(("concurrent", "concurrent fresh")[index % 2], index) for index in range(wanted.concurrent)]
    like = undisturbed(folder / "undisturbed")
    print(f"undisturbed: {like.seconds:.1f} s, {like.operations} file operations", file=sys.stderr)
    for fault, index in plan:
        if (fault, index) in done:
            continue
        draw = random.Random(f"{wanted.seed} {fault} {index}")
        place = folder / f"{fault.replace(' ', '-')}-{index}"
        shutil.rmtree(place, ignore_errors=True)
        if fault.startswith("concurrent"):
            trial = together(fault, index, place, wanted.runs, like, draw)
        else:
            trial = killed(fault, index, place, like, draw)
        trials.append(trial)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
        bad = trial.lost or trial.wrong or trial.failures or trial.orphans or trial.left
        print(f"{trial}", file=sys.stderr)
        if not bad:
            shutil.rmtree(place)
    print(table_of(trials))


if __name__ == "__main__":
    main()

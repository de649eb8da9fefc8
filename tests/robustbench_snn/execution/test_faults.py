"""Cells whose process dies, hangs or ends the program: they are tried again or fail, and everything else goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import Stopped, UserError
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry import load_plugin
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.tiny_suite import TINY
from tests.waiting import children, gone, waited

ROOT = Path(__file__).resolve().parents[3]
UNRULY = Path(__file__).with_name("unruly.py")


def left_by(folder: Path, how: dict[str, Any], **settings: Any) -> dict[str, Record]:
    """What the cells of a run with an unruly evaluation left, by evaluation."""
    load_plugin(UNRULY)
    suite = parse_suite(TINY | {"evaluations": ["clean", {"unruly": how}, {"fgsm": {"eps": 0.01}}]})
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    run = RunSettings(plugins=(str(UNRULY),), **settings)
    found = {cell.title: record for cell, record in run_cells(Session(plan, Store(folder / "store"), run))}
    assert multiprocessing.active_children() == []
    assert len(found) == 4
    assert all(record.status == "done" for title, record in found.items() if not title.startswith("unruly"))
    return {title.partition(" ")[0]: record for title, record in found.items()}


def test_a_cell_whose_worker_is_killed_is_computed_again(tmp_path: Path) -> None:
    found = left_by(tmp_path, {"how": "kill", "once": str(tmp_path / "killed")}, jobs=2)
    assert (tmp_path / "killed").exists()
    assert found["unruly"].status == "done"
    assert found["unruly"].metrics == found["clean"].metrics


def test_a_cell_that_kills_every_worker_fails_and_stops_no_other(tmp_path: Path) -> None:
    failure = left_by(tmp_path, {"how": "kill"}, jobs=2)["unruly"].failure
    assert failure is not None
    assert failure.type == "CellDiedError"
    assert failure.message.startswith("its worker process was killed by SIGKILL, 2 times; where memory ran out")
    assert list((tmp_path / "store" / "failed").iterdir()), "the failure is kept, and tried again by the next run"


@pytest.mark.parametrize(("how", "said"), [("exit", "SystemExit(0)"), ("interrupt", "of a plug-in's own")])
def test_a_plug_in_cannot_end_the_program(tmp_path: Path, how: str, said: str) -> None:
    failure = left_by(tmp_path, {"how": how})["unruly"].failure
    assert failure is not None
    assert said in failure.message


def test_a_cell_that_hangs_is_ended(tmp_path: Path) -> None:
    others = parse_suite(TINY | {"evaluations": ["clean", {"fgsm": {"eps": 0.01}}]})  # busy machines take 3 s for them
    plan = make_plan(others, load_dataset(others.dataset.name, **others.dataset.parameters))
    assert len(list(run_cells(Session(plan, Store(tmp_path / "store"), RunSettings())))) == 3
    failure = left_by(tmp_path, {"how": "hang"}, cell_timeout=3.0)["unruly"].failure
    assert failure is not None
    assert failure.message == "it took longer than 3 s, and was ended (--cell-timeout)"
    assert failure.is_users


def test_workers_that_cannot_start_are_one_message(tmp_path: Path) -> None:
    plugin = tmp_path / "plug.py"
    plugin.write_text("")
    suite = parse_suite(TINY)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    session = Session(plan, Store(tmp_path / "store"), RunSettings(plugins=(str(plugin),), jobs=2))
    plugin.write_text("import os\nos._exit(3)")
    with pytest.raises(UserError, match="ended by itself with exit code 3 as they start"):
        list(run_cells(session))
    assert multiprocessing.active_children() == []


def heard() -> None:
    """Lets a new process hear what these tests may ignore, as under nohup: a run leaves that ignored."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


Wait = Callable[[subprocess.Popen[str], Path], bool]


def trains(run: subprocess.Popen[str], store: Path) -> bool:
    return waited(lambda: bool(list(store.glob("work/*/epoch-*"))))


def starts(run: subprocess.Popen[str], store: Path) -> bool:
    return waited(lambda: len(children(run.pid)) >= 2)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("number", "jobs", "wait"),
    [(signal.SIGINT, 2, trains), (signal.SIGINT, 2, starts), (signal.SIGTERM, 1, trains), (signal.SIGHUP, 2, trains)],
    ids=["ctrl-c", "ctrl-c-early", "term", "hangup"],
)
def test_a_signal_ends_a_run_in_good_order(tmp_path: Path, number: int, jobs: int, wait: Wait) -> None:
    suite = TINY | {"seeds": [0, 1], "recipe": {"epochs": 10_000, "batch_size": 32}}
    (tmp_path / "suite.yaml").write_text(json.dumps(suite))
    command = [sys.executable, "-m", "robustbench_snn.cli", "run", "suite.yaml", "--jobs", str(jobs), "--draft"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heard,
    )
    try:
        assert wait(run, tmp_path / "runs")
        workers = children(run.pid)
        os.killpg(run.pid, number)  # as a terminal does: to all of them
        _, told = run.communicate(timeout=60)
        assert run.returncode == 128 + number
        assert "Traceback" not in told
        assert f"stopped by {signal.Signals(number).name}: 0 of 4 cells are finished, and kept in runs" in told
        assert waited(lambda: all(gone(worker) for worker in workers), 30)
        assert not list((tmp_path / "runs" / "cells").iterdir())
        assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())
    finally:
        run.kill()


def test_a_signal_is_not_taken_for_a_failed_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from robustbench_snn.suites.clean import Clean

    def stop(*_: Any) -> None:
        raise Stopped(signal.SIGTERM)

    suite = parse_suite(TINY)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    store = Store(tmp_path)
    monkeypatch.setattr(Clean, "run", stop)
    with pytest.raises(Stopped):
        list(run_cells(Session(plan, store, RunSettings())))
    assert [path.name for path in (tmp_path / "failed").iterdir()] == []
    assert len(list((tmp_path / "cells").iterdir())) == 1, "the training"


def test_a_worker_that_finds_another_plan_stops_the_run(tmp_path: Path) -> None:
    suite = parse_suite(TINY)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    session = Session(plan, Store(tmp_path), RunSettings(jobs=2))
    object.__setattr__(
        plan.train[0], "identity", dict(plan.train[0].identity) | {"seed": 7}
    )  # as another program makes it
    with pytest.raises(UserError, match="a worker finds other data or another program"):
        list(run_cells(session))
    assert not list((tmp_path / "cells").iterdir())

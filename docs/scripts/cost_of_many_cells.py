"""What a suite of many cells costs beside training and evaluating: processor seconds and peak memory of each phase.

    python docs/scripts/cost_of_many_cells.py 100 1000 10000  # 20 models with 5 seeds, evaluations of 3 parts
    python docs/scripts/cost_of_many_cells.py 10000 --models 1000 --seeds 1 --parts 1
    python docs/scripts/cost_of_many_cells.py 1000 --profile make_table  # where its time goes

Every cell of a true plan over digits gets a sound record with drawn outcomes. The phases are those of a run that finds
every cell done, in one thread; a store named by ``--store`` is used again. docs/scale.md has the numbers.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.evaluation.contract import Outcome
from robustbench_snn.execution import RunSettings, run_cells
from robustbench_snn.execution.outlook import Outlook
from robustbench_snn.execution.provenance import Stopwatch
from robustbench_snn.execution.recorder import Recorder, write_outcome
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.standing import standing
from robustbench_snn.leaderboard.aggregation import make_table
from robustbench_snn.leaderboard.pages import render_pages
from robustbench_snn.leaderboard.release import release
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.store.store import Store
from robustbench_snn.weights.tensors import save_weights

SAMPLES = 100
T_ = TypeVar("T_")


def suite_of(cells: int, models: int, seeds: int, parts: int) -> SuiteSpec:
    """A suite of about so many cells: of each training one, and of its evaluations ``parts`` in every column."""
    columns = max(1, math.ceil((cells / (models * seeds) - 1) / parts))
    sizes = [[(column * parts + part) / 10_000 for part in range(parts)] for column in range(1, columns + 1)]
    described: dict[str, Any] = {
        "name": "many",
        "dataset": {"name": "digits", "limit": SAMPLES, "train_limit": 64},
        "seeds": list(range(seeds)),
        "models": [
            {"name": f"model {one}", "encoder": "direct", "timesteps": 1 + one % 1000} | _backbone(1 + one // 1000)
            for one in range(models)
        ],
        "evaluations": [{"fgsm": {"eps": eps, "label": f"eps {eps[0]}"}} for eps in sizes],
        "table": {"baseline": "model 0"},
    }
    return parse_suite(described)


def _backbone(depth: int) -> dict[str, Any]:
    return {"backbone": {"spikformer": {"depth": depth}}}


def fill(plan: Plan, store: Store) -> None:
    """Writes a record for every cell; a model is right the less often, the later it stands in the suite."""
    recorder, samples = Recorder(plan, RunSettings()), plan.dataset.test
    for number, cell in enumerate(plan.train):
        model = torch.nn.Linear(2, 2)
        trained = recorder.trained(cell, model, Stopwatch(), {})
        store.write(trained, partial(_save, model))
        weights = {cell.peer_name: str(trained.weights_sha256)}
        for evaluation in plan.evaluations_of(cell):
            correct = torch.rand(len(samples)).numpy() < 0.9 - 0.4 * number / len(plan.train)
            outcome = Outcome({"accuracy": float(np.mean(correct))}, {"correct": correct})
            record = recorder.evaluated(evaluation, weights, model, Stopwatch(), outcome, batch_size=128)
            store.write(record, partial(write_outcome, samples=samples, outcome=outcome))


def _save(model: torch.nn.Module, folder: Path) -> None:
    save_weights(model, folder / "weights.safetensors")


class Measuring:
    """Runs phases one after the other, keeps what each cost, and shows the profile of one."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self.seconds: dict[str, float] = {}
        self.megabytes: dict[str, int] = {}

    def __call__(self, phase: str, work: Callable[[], T_]) -> T_:
        """Does a phase's work; its peak memory is that of the whole process while it lasts."""
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        profiler = cProfile.Profile() if phase == self._profile else None
        start = time.process_time()
        found = profiler.runcall(work) if profiler else work()
        self.seconds[phase] = time.process_time() - start
        status = Path("/proc/self/status").read_text()
        self.megabytes[phase] = int(status.partition("VmHWM:")[2].split()[0]) // 1024
        if profiler:
            profiler.print_stats("cumulative")
        return found


def measure(cells: int, arguments: argparse.Namespace, folder: Path) -> Measuring:
    """All phases of one suite."""
    measuring, data = Measuring(arguments.profile), load_dataset("digits", limit=SAMPLES, train_limit=64)
    suite = suite_of(cells, arguments.models, arguments.seeds, arguments.parts)
    plan = measuring("plan", lambda: make_plan(suite, data))
    if not (folder / "cells").is_dir():
        measuring("(filling the store)", lambda: fill(plan, Store(folder)))
    store = Store(folder)
    standings = measuring("resume scan", lambda: standing(plan, store))
    measuring("outlook", lambda: Outlook(plan, standings, store, "cpu", fresh=True).forecast())
    done = measuring("run, all done", lambda: list(run_cells(Session(plan, store, RunSettings()))))
    print(f"\n{len(plan.cells)} cells, {sum(record.status == 'done' for _, record in done)} of {len(done)} done")
    table, outcomes = measuring("make_table", lambda: make_table(plan, done, store))
    records = [record for _, record in done]
    with tempfile.TemporaryDirectory() as results:
        to: dict[str, Any] = {"results": Path(results), "drafts": folder / "drafts", "mode": "publish"}
        released = measuring("publication", lambda: release(table, outcomes, records, **to))
    measuring("rendering", lambda: render_pages(released.table, released.label))
    return measuring


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", type=int, nargs="+", help="about so many")
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--parts", type=int, default=3, help="cells of an evaluation of a trained model")
    parser.add_argument("--store", type=Path, help="for one number of cells")
    parser.add_argument("--profile", help="a phase")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for cells in arguments.cells:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(cells, arguments, arguments.store or Path(folder) / "store")
        for phase, seconds in found.seconds.items():
            print(f"{phase:20} {seconds:8.2f} s {found.megabytes[phase]:6} MB", flush=True)


if __name__ == "__main__":
    main()

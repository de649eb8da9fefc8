"""What the harness costs on a real suite, and what a second worker brings: two figures of docs/clusters.md.

    python docs/scripts/harness_cost.py [--suite SUITE.yaml] [--set NAME=VALUE ...] [--rounds 1]

Takes a suite from its file to the draft of its table, in a fresh store each time, in one process and then with two
workers, each with one thread. Overhead is the share of the clock's time, from the start of Python to its end, in which
no cell was computed. Efficiency is the time of one process over twice that of two workers. For an idle machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from robustbench_snn.store.store import read_record

ROOT = Path(__file__).resolve().parents[2]


def timed(suite: Path, sets: list[str], jobs: int, store: Path) -> tuple[float, float, int]:
    """Runs a suite; returns seconds by the clock, seconds in cells, and the number of cells."""
    options = [part for change in sets for part in ("--set", change)]
    command = [sys.executable, "-m", "robustbench_snn.cli", "run", str(suite), "--draft", "--jobs", str(jobs)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--store", str(store), *options], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"the run ended with {done.returncode}:\n{done.stderr[-3000:]}")
    records = [read_record(path) for path in sorted((store / "cells").glob("*/record.json"))]
    return seconds, sum(record.provenance.wall_seconds for record in records), len(records)


def main() -> None:
    """Prints a line a round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", type=Path, default=ROOT / "suites" / "quickstart.yaml")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    parser.add_argument("--rounds", type=int, default=1)
    wanted = parser.parse_args()
    print("| cells | one process, s | of it in cells, s | overhead | two workers, s | efficiency of two |")
    print("|---:|---:|---:|---:|---:|---:|")
    for _ in range(wanted.rounds):
        with tempfile.TemporaryDirectory() as folder:
            alone, inside, cells = timed(wanted.suite, wanted.sets, 1, Path(folder, "one"))
            both, _, _ = timed(wanted.suite, wanted.sets, 2, Path(folder, "two"))
        share, efficiency = 1 - inside / alone, alone / (2 * both)
        print(f"| {cells} | {alone:.0f} | {inside:.0f} | {share:.1%} | {both:.0f} | {efficiency:.2f} |", flush=True)


if __name__ == "__main__":
    main()

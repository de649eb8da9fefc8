"""One suite of 220 cells on digits, by every executor that is installed: are records and tables the same?

    python docs/scripts/executors_agree.py [--work FOLDER]

Writes a table in Markdown: seconds by the clock, and whether keys, weights, metrics, outcomes of every sample and the
rendered leaderboard are those of one process. Ends with 1 if any is not.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from robustbench_snn.store.checks import SAMPLES
from robustbench_snn.store.store import read_record, read_samples

ROOT = Path(__file__).resolve().parents[2]
ENCODERS = ["direct", "stf", "stf_tspe_only", "stf_tf_only", "imp", "gac", "stf1", "stf_kernel1", "stf_lif", "feel"]
SUITE = {
    "name": "many",
    "dataset": {"name": "digits", "limit": 40, "train_limit": 128},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 1, "batch_size": 64, "lr": 4e-3},
    "seeds": [0, 1],
    "models": [{"name": name, "encoder": name} for name in ENCODERS],
    "evaluations": [
        "clean",
        {"fgsm": {"eps": "8/255"}},
        {"pgd": {"eps": "8/255", "steps": 2}},
        {"timesteps": {"timesteps": [1, 2]}},
        {"corruptions": {"types": ["gaussian_noise", "shot_noise", "fog", "contrast", "pixelate", "brightness"]}},
    ],
    "table": {"baseline": "direct"},
}
WAYS: dict[str, list[list[str]]] = {
    "one process": [[]],
    "2 worker processes": [["--jobs", "2"]],
    "Ray": [["--executor", "ray"]],
    "submitit's processes": [["--executor", "slurm:local", "--resources", "cells_per_job=55"]],
    "3 shards, merged": [["--shard", f"{number}/3"] for number in (1, 2, 3)],
}


def rbsnn(folder: Path, *arguments: str) -> None:
    """Runs the command, with one thread."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "robustbench_snn.cli", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}")


def found(store: Path) -> dict[str, Any]:
    """What every cell of a store found, by key, and its leaderboard."""
    cells: dict[str, Any] = {}
    for folder in sorted((store / "cells").iterdir()):
        record = read_record(folder / "record.json")
        samples = read_samples(folder / SAMPLES) if record.samples else {}
        rows = {name: column.tolist() for name, column in samples.items()}
        cells[record.key] = [record.weights_sha256, dict(record.metrics), rows]
    return cells | {"leaderboard": (store / "drafts" / "many" / "leaderboard.md").read_text()}


def main() -> None:
    """Runs the suite every way, and compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder to work in; a temporary one without")
    work = parser.parse_args().work or Path(tempfile.mkdtemp())
    work.mkdir(parents=True, exist_ok=True)
    (work / "many.yaml").write_text(json.dumps(SUITE))
    print("| | cells | seconds | the same as one process |")
    print("|---|---:|---:|---|")
    reference: dict[str, Any] = {}
    alike = True
    for way, runs in WAYS.items():
        store = way.replace(" ", "-").replace(",", "").replace("'", "")
        begin = time.perf_counter()
        if len(runs) == 1:
            rbsnn(work, "run", "many.yaml", "--store", store, "--draft", *runs[0])
        else:
            parts = [f"{store}-{number}" for number in range(len(runs))]
            for part, arguments in zip(parts, runs, strict=True):
                rbsnn(work, "run", "many.yaml", "--store", part, *arguments)
            rbsnn(work, "merge", *parts, "--into", store)
            rbsnn(work, "run", "many.yaml", "--store", store, "--draft")
        seconds = time.perf_counter() - begin
        here = found(work / store)
        reference = reference or here
        alike &= here == reference
        print(f"| {way} | {len(here) - 1} | {seconds:.0f} | {'yes' if here == reference else 'NO'} |", flush=True)
    sys.exit(0 if alike else 1)


if __name__ == "__main__":
    main()

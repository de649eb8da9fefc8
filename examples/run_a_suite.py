"""Loads a shipped suite, cuts it down to seconds, runs it, and reads numbers off its table."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.pages.sections import verdicts
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.leaderboard.versions import load_table
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.spec.files import load_suite

SMALLER = (  # each as on the command line: rbsnn run quickstart --set key=value
    "dataset.limit=50",
    "dataset.train_limit=400",
    "timesteps=2",
    "recipe={epochs: 4, lr: 4.0e-3, batch_size: 32}",
    "models=[{name: direct, encoder: direct}, {name: stf, encoder: stf}]",
    "evaluations=[clean, {fgsm: {eps: 8/255}}]",
)


def main() -> None:
    """Suite, plan, records, table: each is a value that can be looked at."""
    suite = load_suite("quickstart", SMALLER)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    print(f"{len(plan.train)} trainings, {len(plan.evaluate)} evaluations, protocol {plan.protocol_hash[:12]}")
    with TemporaryDirectory() as folder:
        results = Path(folder, "results")
        finished = run_plan(plan, Path(folder, "runs"), results, RunSettings(device="cpu"), mode="publish")
        print(f"published {finished.folder.relative_to(folder)}, {len(finished.failed)} cells failed")
        table = load_table(results, suite.table_name)
    assert isinstance(table, Table)  # of the newest schema, as it was written just now
    for row in table.rows:
        for label, cell in row.cells.items():
            if cell.accuracy is not None:
                print(f"{row.model} {label}: {cell.accuracy:.1%} [{cell.low:.1%}, {cell.high:.1%}]")
    print(*verdicts(table), sep="\n")


if __name__ == "__main__":
    main()

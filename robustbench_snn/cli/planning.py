"""What a suite is going to compute, and what of it is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.words import failed, plan_lines
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from robustbench_snn.execution.standing import CellStanding
    from robustbench_snn.leaderboard.content import Base
    from robustbench_snn.plan.plan import Plan
    from robustbench_snn.store.store import Store


def plan_of(suite: str, changes: list[str], onto: str | None, results: Path) -> tuple[Plan, Base | None]:
    """The plan of a suite, and the published version that its rows are added to, if to any.

    Args:
        suite: a file or the name of a shipped suite.
        changes: of ``--set``.
        onto: of ``--onto``.
        results: folder of the published tables.

    Raises:
        UserError: if the suite is not valid, or contradicts the table.
    """
    from robustbench_snn.dataset import load_dataset
    from robustbench_snn.plan.plan import make_plan
    from robustbench_snn.spec.files import load_suite, read_suite

    if onto is None:
        spec = load_suite(suite, changes)
        return make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters)), None
    from robustbench_snn.exchange.onto import complete_suite, plan_onto
    from robustbench_snn.exchange.published import find_version, read_version
    from robustbench_snn.leaderboard.publication import check_latest

    published = read_version(find_version(onto, results))
    base = published.base()
    check_latest(base, results)
    spec = complete_suite(*read_suite(suite, changes), published)
    plan = plan_onto(spec, published, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    return plan, base


def show_plan(plan: Plan, store: Path, device: str, jobs: int, fresh: bool) -> None:
    """Prints every cell with its key and state, then the counts."""
    from rich.table import Table

    from robustbench_snn.execution.outlook import Outlook
    from robustbench_snn.execution.standing import standing
    from robustbench_snn.plan.cells import TrainCell
    from robustbench_snn.store.store import Store

    records = Store(store)
    before = records.reasons()
    standings = standing(plan, records)
    table = Table("cell", "model", "key", "state", title=f"plan of {plan.suite.name}", title_justify="left")
    for one in standings:
        key = one.key[:12] if one.key else "after training"  # it holds the weights that the trainings will leave
        state = "to do" if fresh else _STATES[one.state]
        if isinstance(one.cell, TrainCell):
            table.add_row("train", f"{one.cell.model.name}, seed {one.cell.seed}", key, state)
        else:
            table.add_row(f"  {one.cell.component.title} {one.cell.detail}", "", key, state)
    if plan.cells:
        output.print(table)
    for line in plan_lines(Outlook(plan, standings, records, device, jobs, fresh)):
        output.print(line, highlight=False, soft_wrap=True)
    output.print(f"protocol {plan.protocol_hash[:12]}, {len(plan.dataset.test)} samples of {plan.dataset.name}")
    say_set_aside(records, before)


_STATES = {"done": "done", "failed": "failed, to do", "left": "to do"}


def failures(standings: tuple[CellStanding, ...]) -> list[tuple[str, str]]:
    """Title and reason of every cell that failed at its last try."""
    records = [(one.cell.title, one.record) for one in standings]
    return [(title, failed(record.failure)) for title, record in records if record is not None and record.failure]


def say_set_aside(store: Store, before: dict[str, str]) -> None:
    """Says which damaged cells were set aside by looking at them."""
    for name, reason in store.reasons().items():
        if name not in before:
            say(f"set aside, to be computed again: {store.root / 'set_aside' / name}: {reason}")


def check_device(name: str) -> str:
    """The device by name; ``auto`` is the GPU where there is one.

    Raises:
        UserError: if it cannot be used.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}' cannot be used: {str(error).splitlines()[0]}") from None
    return name


def check_writable(results: Path) -> None:
    """Finds out before hours of work that the end of it could not be written."""
    import os

    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"results cannot be written to {results}: {error.strerror}; choose another --results") from None
    if not os.access(results, os.W_OK | os.X_OK):
        raise UserError(f"results cannot be written to {results}: permission denied; choose another --results")


def say(line: str) -> None:
    """Writes a line to standard error."""
    errors.print(line, highlight=False, soft_wrap=True)

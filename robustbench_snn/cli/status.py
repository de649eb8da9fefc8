"""The status command: what of a suite is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import (
    Device,
    Jobs,
    Limit,
    Onto,
    Overrides,
    Plugins,
    Results,
    StoreFolder,
    Suite,
    changes_of,
    jobs_on,
    load_plugins,
)
from robustbench_snn.cli.planning import check_device, failures, plan_of, say_set_aside
from robustbench_snn.cli.words import duration, onto_line, plan_lines

if TYPE_CHECKING:
    from robustbench_snn.execution.standing import CellStanding
    from robustbench_snn.plan.plan import Plan


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(status)


def status(
    suite: Suite,
    limit: Limit = None,
    overrides: Overrides = None,
    plugin: Plugins = None,
    results: Results = Path("results"),
    store: StoreFolder = Path("runs"),
    onto: Onto = None,
    device: Device = "auto",
    jobs: Jobs = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what of a suite is done, failed and left, by model and evaluation; nothing is computed."""
    from robustbench_snn.execution.outlook import Outlook, seconds_of
    from robustbench_snn.execution.standing import standing
    from robustbench_snn.store.store import Store

    load_plugins(plugin)
    plan, base = plan_of(suite, changes_of(overrides, limit, onto), onto, results)
    records = Store(store)
    before = records.reasons()
    standings = standing(plan, records)
    device = check_device(device)
    outlook = Outlook(plan, standings, records, device, jobs_on(device, jobs))
    spent = sum(seconds_of(one.record) for one in standings if one.record is not None)
    rows = _rows(plan, standings)
    wrong = failures(standings)
    if as_json:
        left, counts = outlook.forecast(), outlook.counts
        print_json(
            {
                "suite": plan.suite.name,
                "cells": {"done": counts.done, "failed": counts.failed, "left": counts.left},
                "models": rows,
                "failures": [{"cell": title, "reason": reason} for title, reason in wrong],
                "seconds_spent": spent,
                "seconds_left": left.seconds if left.seconds or not left.unknown else None,
                "cells_of_unknown_length": left.unknown,
            }
        )
        return
    if rows:
        _show(plan, rows)
    for line in [*plan_lines(outlook), *([onto_line(base)] if base else [])]:
        output.print(line, highlight=False, soft_wrap=True)
    output.print(f"{duration(spent)} of computing so far", highlight=False)
    for title, reason in wrong:
        output.print(f"failed: {title}: {reason}", highlight=False, soft_wrap=True)
    if wrong:
        output.print("rbsnn retry, or the next rbsnn run, computes failed cells again", highlight=False)
    say_set_aside(records, before)


def _rows(plan: Plan, standings: Sequence[CellStanding]) -> list[dict[str, Any]]:
    """Counts of each model's trainings, and of the cells of each of its evaluations."""
    from robustbench_snn.execution.standing import Counts, counted
    from robustbench_snn.plan.cells import TrainCell

    def told(cells: list[CellStanding]) -> dict[str, int]:
        found: Counts = counted(cells)
        return {"done": found.done, "failed": found.failed, "left": found.left}

    groups: dict[tuple[str, int], list[CellStanding]] = {}
    for one in standings:
        cell = one.cell
        place = (cell.model.name, -1) if isinstance(cell, TrainCell) else (cell.train.model.name, cell.entry)
        groups.setdefault(place, []).append(one)
    return [
        {
            "model": entry.name,
            "training": told(groups[entry.name, -1]),
            "evaluations": {
                label: told(groups.get((entry.name, index), []))
                for index, label in enumerate(plan.suite.evaluation_labels)
            },
        }
        for entry in plan.suite.entries()
    ]


def _show(plan: Plan, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    heading = f"{plan.suite.name}: cells done of all"
    table = Table("model", "training", *plan.suite.evaluation_labels, title=heading, title_justify="left")
    for row in rows:
        table.add_row(row["model"], *(_cell(counts) for counts in (row["training"], *row["evaluations"].values())))
    output.print(table)


def _cell(counts: dict[str, int]) -> str:
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{counts['done']}/{sum(counts.values())}{failed}"

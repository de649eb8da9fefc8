"""Commands on suite files: run, validate, schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import errors, output, print_json
from robustbench_snn.cli.options import Results
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from robustbench_snn.leaderboard.content import Base
    from robustbench_snn.leaderboard.release import Released
    from robustbench_snn.plan.plan import Plan
    from robustbench_snn.store.store import Store

Suite = Annotated[
    str,
    typer.Argument(
        help="A suite file, or the name of a shipped suite (rbsnn list suites).", autocompletion=completion.suites
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Replace a value of the suite: dotted.key=value. Repeatable.")
]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file with components. Repeatable.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(run)
    app.command()(validate)
    app.command()(schema)


def run(
    suite: Suite,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto.")] = "auto",
    limit: Annotated[int | None, typer.Option(min=1, help="Evaluate on this many test samples.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at once; never changes a number.")] = 128,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute every cell again.")] = False,
    rehash: Annotated[
        bool,
        typer.Option("--rehash", help="Read image folders and published corruptions anew."),
    ] = False,
    overrides: Overrides = None,
    plugin: Plugins = None,
    results: Results = Path("results"),
    store: Annotated[Path, typer.Option(envvar="RBSNN_STORE", help="Folder of the records.")] = Path("runs"),
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Attacks take less memory and more time; never changes a number.")
    ] = False,
    compile: Annotated[  # noqa: A002 - named as its option
        Literal["auto", "off"],
        typer.Option(
            envvar="RBSNN_COMPILE",
            help="Run the neurons in machine code, or never: the same numbers.",
        ),
    ] = "auto",
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish even from a changed program or for fewer samples.")
    ] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Write a draft into the store; publish nothing.")] = False,
    onto: Annotated[
        str | None,
        typer.Option(help="Add the suite's models to this published table: a name, or the folder of one."),
    ] = None,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Publish the trained weights too (table: {weights: true}).")
    ] = False,
) -> None:
    """Train and evaluate a suite's models, and publish the leaderboard, or write a draft of it."""
    if publish and draft:
        raise UserError("--publish and --draft exclude each other; give one of them")
    if onto and limit:
        raise UserError("--limit and --onto exclude each other: the samples are those of the table")
    from robustbench_snn.dataset import content
    from robustbench_snn.registry import load_plugin

    for file in plugin or []:
        load_plugin(file)
    if rehash:
        content.forget()
    changes = list(overrides or []) + ([f"dataset.limit={limit}"] if limit else [])
    changes += ["table.weights=true"] if with_weights else []
    plan, base = _plan(suite, changes, onto, results)
    _check_writable(results)
    if dry_run:
        _show_plan(plan, store)
        return

    from robustbench_snn.cli.progress import RunProgress
    from robustbench_snn.execution import RunSettings
    from robustbench_snn.pipeline import run_plan

    settings = RunSettings(
        device=_device(device),
        batch_size=batch_size,
        fresh=fresh,
        jobs=jobs,
        plugins=tuple(str(file) for file in plugin or []),
        checkpointing=checkpointing,
        compile=compile,
    )
    with RunProgress(errors, len(plan.train) + len(plan.evaluate)) as progress:
        finished = run_plan(
            plan,
            store,
            results,
            settings,
            progress,
            mode="publish" if publish else "draft" if draft else "auto",
            doubts=[f"only {limit} samples (--limit)"] if limit else [],
            base=base,
        )
    for name, reason in finished.set_aside:
        _say(f"set aside and computed again: {store / 'set_aside' / name}: {reason}")
    _report(finished.released)
    if finished.failed:
        for title, message in finished.failed:
            _say(f"failed: {title}: {message}")
        errors.print("everything else is kept; the next run tries the failed cells again")
        raise typer.Exit(2 if finished.users_fault else 1)


def _plan(suite: str, changes: list[str], onto: str | None, results: Path) -> tuple[Plan, Base | None]:
    """The plan of a suite, and the published version that its rows are added to, if to any."""
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


def validate(suite: Suite, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Check a suite file: every problem at once, with its place in the YAML."""
    from robustbench_snn.registry import load_plugin
    from robustbench_snn.spec.files import load_suite

    for file in plugin or []:
        load_plugin(file)
    spec = load_suite(suite, list(overrides or []))
    entries = spec.entries()
    seeds = sum(len(entry.seeds) for entry in entries)
    output.print(
        f"{spec.name}: {len(entries)} models, {seeds} trainings, {len(spec.evaluations)} evaluations each: valid"
    )


def schema() -> None:
    """Print the JSON schema of suite files, for completion in editors."""
    from robustbench_snn.spec.schema import suite_schema

    print_json(suite_schema())


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}' cannot be used: {str(error).splitlines()[0]}") from None
    return name


def _check_writable(results: Path) -> None:
    """Finds out before hours of work that the end of it could not be written."""
    import os

    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"results cannot be written to {results}: {error.strerror}; choose another --results") from None
    if not os.access(results, os.W_OK | os.X_OK):
        raise UserError(f"results cannot be written to {results}: permission denied; choose another --results")


def _show_plan(plan: Plan, store: Path) -> None:
    from rich.table import Table

    from robustbench_snn.execution.models import weights_of
    from robustbench_snn.plan.keys import key_of
    from robustbench_snn.store.store import Store

    records = Store(store)
    before = records.reasons()
    table = Table("cell", "model", "key", "state", title=f"plan of {plan.suite.name}", title_justify="left")
    for train in plan.train:
        key = key_of(train)
        table.add_row("train", f"{train.model.name}, seed {train.seed}", key[:12], _state(records, key))
        for cell in plan.evaluations_of(train):
            needed = plan.models_behind(cell)
            weights = weights_of(needed, records)
            title = f"  {cell.component.title} {cell.detail}"
            if len(weights) < len(needed):  # its key holds the weights that the trainings will leave
                table.add_row(title, "", "after training", "to do")
            else:
                key = key_of(cell, weights)
                table.add_row(title, "", key[:12], _state(records, key))
    output.print(table)
    output.print(f"protocol {plan.protocol_hash[:12]}, {len(plan.dataset.test)} samples of {plan.dataset.name}")
    for name, reason in records.reasons().items():
        if name not in before:
            _say(f"set aside, to be computed again: {store / 'set_aside' / name}: {reason}")


def _state(records: Store, key: str) -> str:
    return "done" if records.has(key) else "to do"


def _report(released: Released) -> None:
    from robustbench_snn.leaderboard.pages import render_terminal

    output.print(render_terminal(released.table, released.label))
    lines = {
        "published": f"wrote {released.folder}",
        "stands": f"{released.label} stands: nothing new ({released.folder})",
        "draft": f"draft, not published: {'; '.join(released.reasons)}; wrote {released.folder / 'leaderboard.md'}",
    }
    if mixed := released.table.mixed:
        _say(f"the records of this table differ in {', '.join(mixed)}; every row says where its own are from")
    output.print(f"\n{lines[released.status]}", highlight=False, soft_wrap=True)


def _say(line: str) -> None:
    errors.print(line, highlight=False, soft_wrap=True)

"""Commands that compute: run, retry."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.options import (
    CellTimeout,
    Device,
    Executor,
    Jobs,
    Limit,
    Onto,
    Overrides,
    Plugins,
    ResourceValues,
    Results,
    ShardOf,
    StoreFolder,
    Suite,
    changes_of,
    jobs_on,
    load_plugins,
    resource_changes,
)
from robustbench_snn.cli.planning import check_device, check_writable, failures, plan_of, say, show_plan
from robustbench_snn.cli.words import number, onto_line
from robustbench_snn.errors import Stopped, UserError

if TYPE_CHECKING:
    from robustbench_snn.execution.outlook import Outlook
    from robustbench_snn.leaderboard.release import Released
    from robustbench_snn.plan.plan import Plan


def add_to(app: typer.Typer) -> None:
    """Adds these commands; retry is run, where something failed."""
    app.command()(run)
    app.command("retry", help="Where cells of a suite failed: compute them again, then go on as run does.")(run)


def run(
    ctx: typer.Context,
    suite: Suite,
    device: Device = "auto",
    limit: Limit = None,
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
    store: StoreFolder = Path("runs"),
    jobs: Jobs = 1,
    executor: Executor = "local",
    resources: ResourceValues = None,
    shard: ShardOf = None,
    cell_timeout: CellTimeout = None,
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
    onto: Onto = None,
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Publish the trained weights too (table: {weights: true}).")
    ] = False,
) -> None:
    """Train and evaluate a suite's models, and publish the leaderboard, or write a draft of it."""
    if publish and draft:
        raise UserError("--publish and --draft exclude each other; give one of them")
    retrying = ctx.command.name == "retry"
    if retrying and fresh:
        raise UserError("retry computes failed cells again, and what is left; run --fresh computes every cell again")
    from robustbench_snn.dataset import content
    from robustbench_snn.plan.shards import parse_shard, shard_of

    load_plugins(plugin)
    if rehash:
        content.forget()
    changes = changes_of(overrides, limit, onto) + (["table.weights=true"] if with_weights else [])
    plan, base = plan_of(suite, changes + resource_changes(resources), onto, results)
    if shard is not None:
        plan = shard_of(plan, parse_shard(shard))
    check_writable(results)
    device = check_device(device)
    jobs = jobs_on(device, jobs)
    if retrying and not _failed_before(plan, store):
        return
    if dry_run:
        show_plan(plan, store, device, jobs, fresh)
        if base is not None:
            output.print(onto_line(base), highlight=False, soft_wrap=True)
        return

    from robustbench_snn.cli.progress import watching
    from robustbench_snn.execution import RunSettings
    from robustbench_snn.pipeline import compute_plan, run_plan

    settings = RunSettings(
        device=device,
        batch_size=batch_size,
        fresh=fresh,
        executor=executor,
        jobs=jobs,
        cell_timeout=cell_timeout,
        resources=plan.suite.resources,
        plugins=tuple(str(file) for file in plugin or []),
        checkpointing=checkpointing,
        compile=compile,
    )
    with watching(errors) as progress:
        if base is not None:
            progress.say(onto_line(base))
        try:
            if shard is not None:
                computed = compute_plan(plan, store, settings, progress)
            else:
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
        except Stopped as stop:
            _stopped(stop, progress.outlook, store)
            raise
    found = finished if shard is None else computed
    for name, reason in found.set_aside:
        say(f"set aside: {store / 'set_aside' / name}: {reason}")
    if shard is None:
        _report(finished.released)
    else:
        say(
            f"shard {shard} is in {store}; when all are there: rbsnn merge STORE ... --into ALL, then the same run "
            "with --store ALL and without --shard"
        )
    if found.failed:
        for title, message in found.failed:
            say(f"failed: {title}: {message}")
        errors.print("everything else is kept; the next run tries the failed cells again")
        raise typer.Exit(2 if found.users_fault else 1)


def _failed_before(plan: Plan, store: Path) -> bool:
    """Says what failed at its last try; returns whether anything did."""
    from robustbench_snn.execution.standing import counted, standing
    from robustbench_snn.store.store import Store

    standings = standing(plan, Store(store))
    found = failures(standings)
    for title, reason in found:
        say(f"tries again: {title}: {reason}")
    if not found:
        left = number(counted(standings).left, "cell")
        say(f"no cell of {plan.suite.name} in {store} has failed; rbsnn run computes what is left ({left})")
    return bool(found)


def _stopped(stop: Stopped, outlook: Outlook | None, store: Path) -> None:
    """Says what a signal left, and how to go on."""
    kept = "nothing had begun" if outlook is None else f"{outlook.done} of {number(outlook.total, 'cell')} are finished"
    say(
        f"stopped by {signal.Signals(stop.number).name}: {kept}, and kept in {store}; the same command goes on from "
        "there, and a training from its last epoch"
    )


def _report(released: Released) -> None:
    from robustbench_snn.leaderboard.pages import render_terminal

    output.print(render_terminal(released.table, released.label))
    lines = {
        "published": f"wrote {released.folder}",
        "stands": f"{released.label} stands: nothing new ({released.folder})",
        "draft": f"draft, not published: {'; '.join(released.reasons)}; wrote {released.folder / 'leaderboard.md'}",
    }
    if mixed := released.table.mixed:
        say(f"the records of this table differ in {', '.join(mixed)}; every row says where its own are from")
    output.print(f"\n{lines[released.status]}", highlight=False, soft_wrap=True)

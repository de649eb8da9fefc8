"""Checking and withdrawing published tables: leaderboard verify, leaderboard withdraw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.options import Results


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("leaderboard verify")(verify)
    app.command("leaderboard withdraw")(withdraw)
    app.command("leaderboard index")(index)


def verify(
    table: Annotated[str | None, typer.Argument(help="A table; without it, all are checked.")] = None,
    results: Results = Path("results"),
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with evaluations. Repeatable.")] = None,
) -> None:
    """Check that published versions are whole, and that every number follows from records and outcomes."""
    from robustbench_snn.leaderboard.index import wrong_index
    from robustbench_snn.leaderboard.verification import verify as verified
    from robustbench_snn.registry import load_plugin

    for file in plugin or []:
        load_plugin(file)
    wrong = False
    for found in verified(results, table):
        name = f"{found.table} {found.version}"
        if not found.findings:
            _print(f"{name}: sound" + ("" if found.has_manifest else " (before manifests)"))
            continue
        wrong = True
        for finding in found.findings:
            errors.print(f"{name}: {finding}", highlight=False, soft_wrap=True)
    for finding in () if wrong else wrong_index(results):
        wrong = True
        errors.print(str(finding), highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def withdraw(
    table: Annotated[str, typer.Argument(help="A published table.")],
    version: Annotated[str, typer.Argument(help="Such as v1.0.")],
    reason: Annotated[str, typer.Option(help="Why it no longer counts, for its readers.")],
    superseded_by: Annotated[str | None, typer.Option(help="The version to read instead.")] = None,
    results: Results = Path("results"),
) -> None:
    """Say that a published version no longer counts, and why; its files stay as they are."""
    from robustbench_snn.leaderboard.index import write_index
    from robustbench_snn.leaderboard.lookup import find_version
    from robustbench_snn.leaderboard.withdrawal import withdraw as noted

    path = noted(results, table, find_version(results, table, version), reason, superseded_by)
    write_index(results)
    _print(f"noted in {path}")


def index(
    results: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path("results"),
) -> None:
    """Write the lists of all published tables anew: README.md for people, index.json for programs."""
    from robustbench_snn.leaderboard.index import write_index

    write_index(results)
    _print(f"wrote {results / 'README.md'} and {results / 'index.json'}")


def _print(line: str) -> None:
    output.print(line, highlight=False, soft_wrap=True)

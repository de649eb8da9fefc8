"""Checking published tables: leaderboard verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import errors, output


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command("leaderboard verify")(verify)


def verify(
    table: Annotated[str | None, typer.Argument(help="A table; without it, all are checked.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path("results"),
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file with evaluations. Repeatable.")] = None,
) -> None:
    """Check that published versions are whole, and that every number follows from records and outcomes."""
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
            errors.print(f"{name}: {finding}", highlight=False, markup=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


def _print(line: str) -> None:
    output.print(line, highlight=False, markup=False, soft_wrap=True)

"""The gc command: what killed runs left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.options import Results, StoreFolder
from robustbench_snn.cli.words import number
from robustbench_snn.errors import StoreError


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(gc)


def gc(
    store: StoreFolder = Path("runs"),
    results: Results = Path("results"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove what is shown.")] = False,
) -> None:
    """Show what killed runs left behind, with sizes and reasons; --yes removes it.

    Nothing is shown that a process may still need. Cells that were set aside are kept.
    """
    from robustbench_snn.store.leftovers import leftovers, leftovers_of_results, remove
    from robustbench_snn.store.os_errors import told

    try:
        found = [*leftovers(store), *leftovers_of_results(results)]
    except OSError as error:
        raise StoreError(f"{error.filename or store} cannot be looked through: {told(error)}") from None
    kept = []
    for one in found:
        _print(f"{one.size:>14,}  {one.path}: {one.why}")
        if yes and (refused := remove(one.path)) is not None:
            kept.append(one)
            errors.print(f"not removed: {one.path}: {refused}", highlight=False, markup=False, soft_wrap=True)
    if not found:
        _print(f"nothing is left over in {store} and {results}")
    else:
        gone = [one for one in found if one not in kept]
        done = "removed" if yes else "nothing was removed; rbsnn gc --yes removes"
        _print(f"{done} {number(len(gone), 'leftover')}, {sum(one.size for one in gone):,} bytes")
    if kept:
        raise typer.Exit(1)


def _print(line: str) -> None:
    output.print(line, highlight=False, markup=False, soft_wrap=True)

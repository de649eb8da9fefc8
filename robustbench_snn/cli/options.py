"""Options that many commands have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.errors import UserError

Suite = Annotated[
    str,
    typer.Argument(
        help="A suite file, or the name of a shipped suite (rbsnn list suites).", autocompletion=completion.suites
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Replace a value of the suite: dotted.key=value. Repeatable.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto.")]
Jobs = Annotated[int, typer.Option(min=1, help="Worker processes.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Evaluate on this many test samples.")]
Onto = Annotated[
    str | None,
    typer.Option(
        help="Add the suite's models to this published table: a name, or the folder of one.",
        autocompletion=completion.tables,
    ),
]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="RBSNN_STORE", help="Folder of the records.")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file with components. Repeatable.")]
Results = Annotated[Path, typer.Option(envvar="RBSNN_RESULTS", help="Folder of the published tables.")]


def load_plugins(files: Sequence[Path] | None) -> None:
    """Imports the files, so that what they register can be named."""
    from robustbench_snn.registry import load_plugin

    for file in files or ():
        load_plugin(file)


def changes_of(overrides: Sequence[str] | None, limit: int | None, onto: str | None) -> list[str]:
    """What the options change of a suite file, as ``--set`` takes it.

    Raises:
        UserError: if a limit is given where a table says which samples there are.
    """
    if onto and limit:
        raise UserError("--limit and --onto exclude each other: the samples are those of the table")
    return [*(overrides or ()), *([f"dataset.limit={limit}"] if limit else ())]

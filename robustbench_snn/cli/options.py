"""Options that many commands have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file with components. Repeatable.")]
Results = Annotated[Path, typer.Option(envvar="RBSNN_RESULTS", help="Folder of the published tables.")]


def load_plugins(files: Sequence[Path] | None) -> None:
    """Imports the files, so that what they register can be named."""
    from robustbench_snn.registry import load_plugin

    for file in files or ():
        load_plugin(file)

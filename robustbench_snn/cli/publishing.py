"""Publishing tables: publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import output


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(publish)


def publish(
    to: Annotated[Path, typer.Option(help="A new folder, or one of an earlier publish.")],
    results: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path("results"),
    store: Annotated[Path | None, typer.Option(help="Folder of the records, for pictures of kept images.")] = None,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="Also write .github/workflows/pages.yml, for GitHub Pages.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and stop.")] = False,
) -> None:
    """Write published tables as a web site."""
    from robustbench_snn.publishing.site import site_files
    from robustbench_snn.publishing.workflow import WORKFLOW, workflow_text, write_workflow
    from robustbench_snn.publishing.writing import write_files
    from robustbench_snn.store.store import Store

    files = dict(site_files(results, Store(store) if store else None))
    if dry_run:
        for name, content in files.items():
            _print(f"{len(content):>9,}  {name}")
    else:
        write_files(files, to)
    size = sum(map(len, files.values()))
    _print(f"{'would write' if dry_run else 'wrote'} {len(files)} files, {size / 1e6:.1f} MB, to {to}")
    if workflow:
        text = workflow_text(results)
        if not dry_run:
            write_workflow(text, WORKFLOW)
        _print(f"{'would write' if dry_run else 'wrote'} {WORKFLOW}")


def _print(line: str) -> None:
    output.print(line, highlight=False, markup=False, soft_wrap=True)

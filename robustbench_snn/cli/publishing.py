"""Publishing tables: publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import output
from robustbench_snn.errors import UserError

HUB = "hub:"


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(publish)


def publish(
    to: Annotated[str, typer.Option(help="FOLDER for a web site, hub:FOLDER for files of the Hugging Face hub.")],
    results: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path("results"),
    store: Annotated[
        Path | None, typer.Option(help="Site: folder of the records, for pictures of images that attacks kept.")
    ] = None,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="Site: also write .github/workflows/pages.yml, for GitHub Pages.")
    ] = False,
    owner: Annotated[str | None, typer.Option(help="Hub: user or organisation of the repositories.")] = None,
    url: Annotated[str | None, typer.Option(help="Hub: where the tables can be read.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and stop.")] = False,
) -> None:
    """Write published tables as a web site, or as files for the Hugging Face hub."""
    from robustbench_snn.publishing.workflow import WORKFLOW, workflow_text, write_workflow

    text = workflow_text(results) if workflow else ""
    if to.startswith(HUB):
        _write(_hub_files(results, owner, url), to.removeprefix(HUB), dry_run)
    else:
        _write(_site_files(results, store), to, dry_run)
    if workflow:
        if not dry_run:
            write_workflow(text, WORKFLOW)
        _print(f"{'would write' if dry_run else 'wrote'} {WORKFLOW}")


def _site_files(results: Path, store: Path | None) -> dict[str, bytes]:
    from robustbench_snn.publishing.site import site_files
    from robustbench_snn.store.store import Store

    return dict(site_files(results, Store(store) if store else None))


def _hub_files(results: Path, owner: str | None, url: str | None) -> dict[str, bytes]:
    from robustbench_snn.publishing.hub import Hub, hub_files

    if owner is None:
        raise UserError("the hub's files name their repositories: --owner USER, a user or organisation of the hub")
    return dict(hub_files(results, Hub(owner, url)))


def _write(files: dict[str, bytes], folder: str, dry_run: bool) -> None:
    from robustbench_snn.publishing.writing import write_files

    if not folder:
        raise UserError("--to needs a folder, such as --to site or --to hub:files")
    if dry_run:
        for name, content in files.items():
            _print(f"{len(content):>9,}  {name}")
    else:
        write_files(files, Path(folder))
    size = sum(map(len, files.values()))
    _print(f"{'would write' if dry_run else 'wrote'} {len(files)} files, {size / 1e6:.1f} MB, to {folder}")


def _print(line: str) -> None:
    output.print(line, highlight=False, markup=False, soft_wrap=True)

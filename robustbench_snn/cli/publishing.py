"""Publishing tables: publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_snn.cli.console import output
from robustbench_snn.cli.options import Plugins, load_plugins
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from robustbench_snn.publishing.gallery import Gallery
    from robustbench_snn.publishing.hub import Hub

UPLOAD = "hub"
HUB = "hub:"


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(publish)


def publish(
    to: Annotated[
        str,
        typer.Option(
            help="FOLDER for a web site, hub:FOLDER for files of the Hugging Face hub, hub to upload those there."
        ),
    ],
    results: Annotated[Path, typer.Option(help="Folder of the published tables.")] = Path("results"),
    store: Annotated[
        Path | None,
        typer.Option(help="Site: folder of the records, for pictures of attacks and spikes."),
    ] = None,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="Site: also write .github/workflows/pages.yml, for GitHub Pages.")
    ] = False,
    owner: Annotated[str | None, typer.Option(help="Hub: user or organisation of the repositories.")] = None,
    url: Annotated[str | None, typer.Option(help="Hub: where the tables can be read.")] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Upload: MODEL=OWNER/NAME, a pull request with its results for that repository. Repeatable."),
    ] = None,
    benchmark: Annotated[
        bool,
        typer.Option("--benchmark", help="Upload: eval.yaml too, which the hub takes from frameworks of its own list."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the files and stop.")] = False,
    plugin: Plugins = None,
) -> None:
    """Write published tables as a web site or as files for the Hugging Face hub, or upload them there.

    The hub's own library finds the token for an upload: hf auth login keeps one, or HF_TOKEN holds it.
    """
    from robustbench_snn.publishing.workflow import WORKFLOW, workflow_text, write_workflow

    load_plugins(plugin)
    text = workflow_text(results) if workflow else ""
    if to == UPLOAD:
        _upload(results, _hub(owner, url), model or [], benchmark, dry_run)
    elif to.startswith(HUB):
        _write(_hub_files(results, owner, url), to.removeprefix(HUB), dry_run)
    else:
        gallery = _gallery(store)
        _write(_site_files(results, gallery), to, dry_run)
        for line in gallery.missing:
            _print(line)
    if workflow:
        if not dry_run:
            write_workflow(text, WORKFLOW)
        _print(f"{'would write' if dry_run else 'wrote'} {WORKFLOW}")


def _gallery(store: Path | None) -> Gallery:
    from robustbench_snn.publishing.gallery import Gallery
    from robustbench_snn.store.store import Store

    return Gallery(Store(store) if store else None)


def _site_files(results: Path, gallery: Gallery) -> dict[str, bytes]:
    from robustbench_snn.publishing.site import site_files

    return dict(site_files(results, gallery))


def _hub_files(results: Path, owner: str | None, url: str | None) -> dict[str, bytes]:
    from robustbench_snn.publishing.hub import hub_files

    return dict(hub_files(results, _hub(owner, url)))


def _hub(owner: str | None, url: str | None) -> Hub:
    from robustbench_snn.publishing.hub import Hub

    if owner is None:
        raise UserError("the hub's files name their repositories: --owner USER, a user or organisation of the hub")
    return Hub(owner, url)


def _upload(results: Path, hub: Hub, named: list[str], benchmark: bool, dry_run: bool) -> None:
    from robustbench_snn.publishing.uploading import repositories, uploader

    pairs = [text.rpartition("=") for text in named]
    if wrong := [text for text, (model, _, _) in zip(named, pairs, strict=True) if not model]:
        raise UserError(f"--model takes MODEL=OWNER/NAME, got '{wrong[0]}'")
    models = {model: repository for model, _, repository in pairs}
    found = repositories(results, hub, models, benchmark=benchmark)
    upload = None if dry_run else uploader()
    for repository in found:
        kind = f"{repository.kind} repository {repository.id}"
        how = "one commit, and it is made if it is not there" if repository.kind == "dataset" else "one pull request"
        size = sum(map(len, repository.files.values()))
        _print(f"{kind}: {len(repository.files)} files, {size:,} bytes, {how}")
        for name, content in repository.files.items():
            _print(f"{len(content):>9,}  {name}")
        if upload:
            _print(f"uploaded: {upload(repository)}")
    if dry_run:
        _print("nothing was uploaded")


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

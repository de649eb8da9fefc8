"""Commands between people: merge, reproduce, submit, verify."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.options import Plugins, load_plugins
from robustbench_snn.errors import UserError

Results = Annotated[Path, typer.Option(help="Folder of the published tables.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(merge)
    app.command()(reproduce)
    app.command()(submit)
    app.command()(verify)


def merge(
    sources: Annotated[
        list[str], typer.Argument(help="Stores; or tables, versions, drafts and submitted files of one protocol.")
    ],
    into: Annotated[Path, typer.Option(help="A store, for stores; a folder of published tables, for all else.")],
    prefer: Annotated[Path | None, typer.Option(help="The source to believe where two differ.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish even from a changed program.")] = False,
) -> None:
    """Bring the results of several machines together: nothing is replaced unless you say by what."""
    stores = [Path(name) for name in sources if (Path(name) / "cells").is_dir()]
    if len(stores) == len(sources):
        _merge_stores(stores, into, prefer)
        return
    if stores:
        raise UserError(
            f"{stores[0]} is a store, not all of the others are: merge stores first, run the suite, "
            "then merge its table"
        )
    from robustbench_snn.exchange.merging import merge_tables
    from robustbench_snn.exchange.published import find_version, read_version
    from robustbench_snn.exchange.sources import read_submission

    with tempfile.TemporaryDirectory() as scratch:
        found = {}
        for number, name in enumerate(sources):
            folder = Path(scratch, str(number))
            folder.mkdir()
            is_file = Path(name).is_file()
            found[name] = read_submission(Path(name), folder) if is_file else read_version(find_version(name, into))
        released = merge_tables(found, into, prefer=prefer, publish=publish)
    if released.status == "stands":
        _print(f"{released.label} stands: nothing new ({released.folder})")
    else:
        _print(f"wrote {released.folder}: {', '.join(row.model for row in released.table.rows)}")
    if released.table.mixed:
        _print(f"its records differ in {', '.join(released.table.mixed)}; every row says where its own are from")


def _merge_stores(stores: list[Path], into: Path, prefer: Path | None) -> None:
    from robustbench_snn.store.merging import merge_stores

    merged = merge_stores(stores, into, prefer)
    for folder, reason in merged.damaged:
        _warn(f"not taken: {folder}: {reason}")
    for one, other in merged.conflicts:
        _warn(f"{one.record.key[:12]} ({one.record.model}) differs: {one.folder} and {other.folder}")
    if not merged.settled:
        lacks = "" if prefer is None else f", and {prefer} lacks them"
        raise UserError(
            f"{len(merged.conflicts)} cells differ{lacks}; nothing was written. --prefer STORE takes its cells"
        )
    _print(f"{merged.taken} cells taken into {into}, {merged.same} there already with the same result")
    if merged.damaged:
        raise typer.Exit(1)


def reproduce(
    key: Annotated[str, typer.Argument(help="Key of a published record, or its first characters.")],
    source: Annotated[
        str | None, typer.Option("--from", help="A table, version, draft or store; all published tables without it.")
    ] = None,
    results: Results = Path("results"),
    store: Annotated[
        Path | None, typer.Option(help="Folder for what is computed, to go on from; a temporary one without it.")
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Train even where weights are published.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest share of samples whose outcome may differ.")
    ] = 0.01,
    dataset: Annotated[
        str | None,
        typer.Option(help="The dataset with parameters that its hashes do not tell: '{parquet: {root: FOLDER}}'."),
    ] = None,
    device: Device = "cpu",
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at once; never changes a number.")] = 128,
    plugin: Plugins = None,
) -> None:
    """Compute a published cell again and compare: exit code 0 for equal or within tolerance, else 1."""
    from robustbench_snn.cli.progress import watching
    from robustbench_snn.exchange.reproduction import reproduce as again
    from robustbench_snn.exchange.sources import find_cell
    from robustbench_snn.execution import RunSettings
    from robustbench_snn.spec.files import written_component

    load_plugins(plugin)
    published, record = find_cell(key, source, results)
    settings = RunSettings(device=device, batch_size=batch_size)
    stated = written_component(dataset, "--dataset") if dataset else None
    with tempfile.TemporaryDirectory() as scratch, watching(errors) as progress:
        found = again(
            published,
            record,
            store or Path(scratch),
            settings,
            progress,
            retrain=retrain,
            tolerance=tolerance,
            dataset=stated,
            results=results,
        )
    evaluated = record.identity.get("evaluation", {}).get("name", "training")
    _print(f"{published.title}: {evaluated} of {record.model}, seed {record.seed} ({record.key[:12]})")
    _print(
        f"from {found.weights}; published by {record.provenance.hardware}, torch "
        f"{record.provenance.packages.get('torch', 'of unknown version')}"
    )
    _print(f"{found.verdict}: {found.said}")
    if found.samples:
        _print(f"samples: {', '.join(map(str, found.samples[:50]))}{', ...' if len(found.samples) > 50 else ''}")
    if found.verdict == "different":
        raise typer.Exit(1)


def submit(
    model: Annotated[str, typer.Argument(help="Name of the row.")],
    source: Annotated[str, typer.Option("--from", help="A store with a draft, or a table, version or draft.")],
    to: Annotated[Path, typer.Option("--output", "-o", help="The zip file to write.")],
    with_weights: Annotated[bool, typer.Option("--with-weights", help="Pack the trained weights too.")] = False,
    results: Results = Path("results"),
) -> None:
    """Pack one entry of a table, for those who keep it: records, outcomes on every sample, weights if wished."""
    from robustbench_snn.exchange.sources import read_source
    from robustbench_snn.exchange.submission import is_foreign
    from robustbench_snn.exchange.submission import submit as pack

    places = read_source(source, results)
    holders = [place for place in places if any(row.model == model for row in place.table.rows)] or places[:1]
    if len(holders) > 1:
        raise UserError(f"{' and '.join(str(place.folder) for place in holders)} have a model '{model}'; name one")
    packed = pack(holders[0], model, to, weights=with_weights)
    _print(
        f"wrote {to}: {model} of {holders[0].title}, {len(packed.records)} records, "
        f"{len(packed.weights)} files of weights, {to.stat().st_size:,} bytes"
    )
    plugin = " --plugin FILE" if is_foreign(packed.table.rows[0].identity) else ""
    _print(f"check it as they will: rbsnn verify {to} --onto {holders[0].table.name} --rerun 2{plugin}")


def verify(
    file: Annotated[Path, typer.Argument(help="What rbsnn submit wrote.", exists=True, dir_okay=False)],
    onto: Annotated[
        str | None, typer.Option(help="The table that it is to join: a name, or the folder of one.")
    ] = None,
    rerun: Annotated[int, typer.Option(min=0, help="How many evaluations to compute again, drawn at random.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Of the draw; without it nobody can foresee what is drawn.")] = None,
    results: Results = Path("results"),
    device: Device = "cpu",
    plugin: Plugins = None,
) -> None:
    """Check a submitted file, in which nothing is executed: exit code 1 if anything failed.

    Published tables are checked by rbsnn leaderboard verify.
    """
    from robustbench_snn.exchange.published import find_version, read_version
    from robustbench_snn.exchange.sources import read_submission
    from robustbench_snn.exchange.submission import check_submission
    from robustbench_snn.execution import RunSettings

    if rerun and onto is None:
        raise UserError("--rerun needs --onto TABLE: what is run is said by its protocol, not by the file")
    load_plugins(plugin)
    table = None if onto is None else read_version(find_version(onto, results))
    wrong = False
    with tempfile.TemporaryDirectory() as scratch:
        submitted = read_submission(file, Path(scratch))
        for check in check_submission(submitted, table, rerun=rerun, settings=RunSettings(device=device), seed=seed):
            wrong |= check.passed is False
            mark = {True: "passed", False: "failed", None: "note"}[check.passed]
            (_print if check.passed else _warn)(f"{mark}: {check.said}")
    if wrong:
        raise typer.Exit(1)


def _print(line: str) -> None:
    output.print(line, highlight=False, markup=False, soft_wrap=True)


def _warn(line: str) -> None:
    errors.print(line, highlight=False, markup=False, soft_wrap=True)

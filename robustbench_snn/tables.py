"""Suites and published tables from Python and in notebooks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.lookup import version_folder
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.pages import render_terminal
from robustbench_snn.leaderboard.pages.escaping import html, visible
from robustbench_snn.leaderboard.pages.grid import Grid, make_grid
from robustbench_snn.leaderboard.pages.tidy import tidy
from robustbench_snn.leaderboard.schema1.pages import first_sections
from robustbench_snn.leaderboard.table import AnyTable, Table
from robustbench_snn.leaderboard.versions import read_table

if TYPE_CHECKING:
    import pandas

    from robustbench_snn.leaderboard.variance import Floats


@dataclass(frozen=True, repr=False)
class LoadedTable:
    """A published table, or a draft of one.

    Attributes:
        table: all of its data.
        version: ``v3.0``, or ``draft``.
        folder: where it is.
        failed: title and message of every cell that failed, of a table that was just run.
    """

    table: AnyTable
    version: str
    folder: Path
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def models(self) -> list[str]:
        """Names of the rows."""
        return [row.model for row in self.table.rows]

    @property
    def evaluations(self) -> list[str]:
        """Labels of the columns."""
        return list(self.table.columns)

    def outcomes(self, model: str, evaluation: str) -> Floats:
        """Every seed's outcomes, (seeds, samples) in [0, 1], as :func:`robustbench_snn.compare` takes them.

        Raises:
            UserError: if the table has none of these, which a table of schema version 1 never has.
        """
        if isinstance(self.table, Table):
            found = read_outcomes(self.folder / "samples.parquet")
            if (model, evaluation) in found.by_seed:
                return found.of((model, evaluation))
        raise UserError(
            f"{self.table.name} {self.version} has no outcomes of '{model}' under '{evaluation}'; models: "
            f"{', '.join(self.models)}; evaluations: {', '.join(self.evaluations)}"
        )

    def to_pandas(self) -> pandas.DataFrame:
        """A row a model and evaluation: accuracy in [0, 1] with its interval, rank, comparison, flags.

        Raises:
            UserError: if pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UserError("to_pandas needs pandas: pip install 'robustbench_snn[pandas]'") from None
        return pandas.DataFrame(tidy(self.table))

    def __repr__(self) -> str:
        return (
            f"<{visible(self.table.name)} {self.version}: {len(self.models)} models, {len(self.evaluations)} "
            f"evaluations, {self.table.samples} samples of {visible(self.table.data)}>"
        )

    def __str__(self) -> str:
        console = Console(width=140, file=StringIO(), record=True)
        console.print(render_terminal(self.table, self.version))
        return console.export_text()

    def _repr_html_(self) -> str:
        """The accuracies, for notebooks."""
        grid = make_grid(self.table) if isinstance(self.table, Table) else Grid(*first_sections(self.table)[0][1])
        head, *rows = (
            "".join(f"<{tag}>{html(text)}</{tag}>" for text in line)
            for tag, lines in (("th", [grid.headings]), ("td", grid.rows))
            for line in lines
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        title = html(f"{self.table.title} {self.version}")
        return f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def load_table(
    name_or_path: str | Path, version: str | None = None, *, results: str | Path | None = None
) -> LoadedTable:
    """Reads a published table.

    Args:
        name_or_path: a table (``quickstart``), one of its versions (``quickstart/v3.0``), or the folder of one.
        version: ``v3.0`` or ``3.0``; the latest if None.
        results: folder of the published tables; ``RBSNN_RESULTS``, or ``results``, if None.

    Raises:
        UserError: if there is no such table or version, or it is damaged.

    Example:
        >>> from robustbench_snn import load_table
        >>> load_table("quickstart", "3.0")  # doctest: +SKIP
        <quickstart v3.0: 3 models, 5 evaluations, 100 samples of digits>
    """
    written = str(name_or_path) if version is None else f"{name_or_path}/{version}"
    folder = version_folder(written, Path(results or os.environ.get("RBSNN_RESULTS", "results")))
    return LoadedTable(read_table(folder), folder.name if folder.name.startswith("v") else "draft", folder)


def run(
    suite: str | Path | Mapping[str, Any],
    *,
    changes: Sequence[str] = (),
    plugins: Sequence[str | Path] = (),
    device: str | None = None,
    jobs: int = 1,
    store: str | Path = "runs",
    results: str | Path = "results",
    publish: bool = False,
) -> LoadedTable:
    """Trains and evaluates a suite's models, as ``rbsnn run`` does; what is stored already is not computed again.

    Args:
        suite: a suite file, the name of a shipped one, or the suite as plain data.
        changes: of a file, as of ``--set``: ``dataset.limit=100``.
        plugins: Python files with components.
        device: ``cpu``, ``cuda``; the GPU where there is one if None.
        jobs: worker processes.
        store: folder of the records, and of drafts.
        results: folder of the published tables.
        publish: True for a new version in ``results``; else a draft.

    Returns:
        The table, with the cells that failed.

    Raises:
        UserError: if the suite is not valid, the device cannot be used, a model cannot run, or nothing could be
            evaluated.
    """
    import torch

    from robustbench_snn.dataset import load_dataset
    from robustbench_snn.execution import RunSettings
    from robustbench_snn.pipeline import run_plan
    from robustbench_snn.plan.plan import make_plan
    from robustbench_snn.registry import load_plugin
    from robustbench_snn.spec.files import load_suite, parse_suite

    for file in plugins:
        load_plugin(file)
    if isinstance(suite, Mapping):
        if changes:
            raise UserError("changes are of a suite file; change the mapping itself")
        spec = parse_suite(suite)
    else:
        spec = load_suite(str(suite), changes)
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{chosen}' cannot be used: {str(error).splitlines()[0]}") from None
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    settings = RunSettings(device=chosen, jobs=jobs, plugins=tuple(map(str, plugins)))
    finished = run_plan(plan, Path(store), Path(results), settings, mode="publish" if publish else "draft")
    released = finished.released
    return LoadedTable(released.table, released.label, released.folder, finished.failed)

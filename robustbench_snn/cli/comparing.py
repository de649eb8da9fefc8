"""Comparing two models: rbsnn compare."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import Plugins, Results, load_plugins


class Form(StrEnum):
    """How a comparison is written."""

    table = "table"
    markdown = "markdown"
    json = "json"


class Corrections(StrEnum):
    """What is kept small over several comparisons."""

    holm = "holm"
    benjamini_hochberg = "benjamini-hochberg"


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(compare)


def compare(
    candidate: Annotated[
        str,
        typer.Argument(
            help="PLACE:MODEL; the place is a table (quickstart), a version (quickstart/v3.0) or its folder, a folder "
            "of records (runs), or a suite file (mine.yaml)."
        ),
    ],
    baseline: Annotated[str, typer.Argument(help="PLACE:MODEL, or only MODEL for one of the candidate's place.")],
    form: Annotated[Form, typer.Option("--format", help="What to print.")] = Form.table,
    evaluation: Annotated[
        list[str] | None, typer.Option(help="Compare only this evaluation, by its label. Repeatable.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    correction: Annotated[Corrections, typer.Option(help="Of the p-values, over all compared.")] = Corrections.holm,
    plugin: Plugins = None,
    results: Results = Path("results"),
    store: Annotated[Path, typer.Option(envvar="RBSNN_STORE", help="Folder of the records of a suite file.")] = Path(
        "runs"
    ),
) -> None:
    """Say whether one model is more robust than another: differences, intervals, and words that claim no more.

    Example: rbsnn compare quickstart:imp direct
    """
    from robustbench_snn.leaderboard.pairwise.comparing import compare_evidence
    from robustbench_snn.leaderboard.pairwise.loading import load_evidence
    from robustbench_snn.leaderboard.pairwise.showing import to_data, to_markdown, to_terminal

    load_plugins(plugin)
    ours = load_evidence(candidate, results=results, store=store)
    theirs = load_evidence(baseline, results=results, store=store, place=candidate.rpartition(":")[0])
    found = compare_evidence(ours, theirs, only=evaluation or (), confidence=confidence, correction=correction.value)
    if form is Form.json:
        print_json(to_data(found))
    elif form is Form.markdown:
        output.print(to_markdown(found), highlight=False, soft_wrap=True)
    else:
        output.print(to_terminal(found))

"""Tables for other programs, papers, and whoever computes them again: leaderboard export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import output
from robustbench_snn.cli.options import Plugins, Results, load_plugins
from robustbench_snn.errors import UserError


class Form(StrEnum):
    """What a table is written as."""

    csv = "csv"
    latex = "latex"
    json = "json"
    markdown = "markdown"
    suite = "suite"


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command("leaderboard export")(export)


def export(
    table: Annotated[
        str,
        typer.Argument(
            help="A table (quickstart), one of its versions (quickstart/v3.0), or the folder of one.",
            autocompletion=completion.tables,
        ),
    ],
    form: Annotated[Form, typer.Option("--format", help="What to write.")] = Form.markdown,
    to: Annotated[Path | None, typer.Option(help="A file; standard output without it.")] = None,
    results: Results = Path("results"),
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Of a suite, the dataset with parameters that its hashes do not tell; as of rbsnn reproduce."
        ),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Write a published table as CSV, LaTeX (booktabs), JSON, markdown for GitHub, or the suite that makes it again."""
    from robustbench_snn.leaderboard.lookup import version_folder
    from robustbench_snn.leaderboard.pages.exporting import to_csv, to_json, to_latex
    from robustbench_snn.leaderboard.pages.github import render_github
    from robustbench_snn.leaderboard.versions import read_table

    if dataset is not None and form is not Form.suite:
        raise UserError("--dataset belongs to --format suite; what else is written needs no dataset")
    folder = version_folder(table, results)
    found, version = read_table(folder), folder.name
    text = {
        Form.suite: lambda: _suite(folder, dataset, plugin),
        Form.csv: lambda: to_csv(found),
        Form.latex: lambda: to_latex(found, version),
        Form.json: lambda: to_json(found),
        Form.markdown: lambda: render_github(found, version),
    }[form]()
    if to is None:
        output.print(text, end="", highlight=False, soft_wrap=True)
        return
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{to} cannot be written: {error.strerror}; name another file") from None
    output.print(f"wrote {to}", highlight=False)


def _suite(folder: Path, dataset: str | None, plugin: list[Path] | None) -> str:
    import yaml

    from robustbench_snn.exchange.published import read_version
    from robustbench_snn.exchange.rewriting import rewritten_suite
    from robustbench_snn.spec.files import written_component

    load_plugins(plugin)
    published = read_version(folder)
    stated = written_component(dataset, "--dataset") if dataset else None
    data = rewritten_suite(published, stated)
    head = f"# {published.title} as a suite: its models, training seeds and evaluations with all of their parameters.\n"
    return head + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)

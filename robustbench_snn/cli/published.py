"""Commands on published tables: leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import Results
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(leaderboard)


def leaderboard(
    table: Annotated[
        str | None, typer.Argument(help="A table; without it, all are listed.", autocompletion=completion.tables)
    ] = None,
    version: Annotated[str | None, typer.Option(help="Such as v1.0 or 1.0; the latest without it.")] = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table's data.")] = False,
    record: Annotated[str | None, typer.Option(help="Show the record whose key begins like this.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Also draw the table into this SVG file.")] = None,
) -> None:
    """Show a published leaderboard, or list them."""
    from robustbench_snn.leaderboard.lookup import find_record, find_version
    from robustbench_snn.leaderboard.pages import render_terminal
    from robustbench_snn.leaderboard.versions import load_record, load_table, tables, versions
    from robustbench_snn.leaderboard.withdrawal import withdrawals

    if table is None and record is not None:
        print_json(find_record(results, record).model_dump(mode="json"))
        return
    if table is None:
        for name in tables(results):
            gone = withdrawals(results, name)
            told = (f"{found} (withdrawn)" if str(found) in gone else str(found) for found in versions(results, name))
            output.print(f"{name}: {', '.join(told)}", highlight=False)
        if not tables(results):
            output.print(
                f"no published tables in {results.resolve()}; rbsnn run SUITE publishes one; those of this package are "
                "in the folder results of its repository: name it with --results or RBSNN_RESULTS",
                highlight=False,
                soft_wrap=True,
            )
        return
    chosen = find_version(results, table, version)
    if record is not None:
        print_json(load_record(results, table, chosen, record).model_dump(mode="json"))
        return
    data = load_table(results, table, chosen)
    if as_json:
        print_json(data.model_dump(mode="json"))
        return
    if note := withdrawals(results, table).get(str(chosen)):
        output.print(f"withdrawn: {note.told()}", highlight=False)
    shown = render_terminal(data, str(chosen))
    output.print(shown)
    if svg is not None:
        _draw(shown, svg, f"rbsnn leaderboard {table}")


def _draw(shown: RenderableType, path: Path, title: str) -> None:
    """Draws what the terminal shows as an SVG that needs no font from the network."""
    import io
    import re

    from rich.console import Console

    drawing = Console(record=True, width=150, file=io.StringIO())
    drawing.print(shown)
    picture = re.sub(r"@font-face \{.*?\}\s*", "", drawing.export_svg(title=title), flags=re.DOTALL)
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file") from None

"""The command line: ``rbsnn``.

Commands import what they need when they run, so that ``rbsnn --help`` never waits for torch.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

import robustbench_snn
from robustbench_snn.cli import (
    comparing,
    components,
    development,
    exchange,
    exporting,
    gc,
    plots,
    published,
    publishing,
    running,
    scoring,
    status,
    suites,
    verification,
)
from robustbench_snn.cli.console import errors, output
from robustbench_snn.cli.signals import stoppable
from robustbench_snn.errors import Stopped, UserError


class _Commands(TyperGroup):
    """Knows commands of two words, such as ``leaderboard verify``, beside those of one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # of the click that this typer brings
        name = " ".join(args[:2])
        if name in self.commands:
            return name, self.commands[name], args[2:]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="rbsnn",
    cls=_Commands,
    help="Robustness benchmark for spiking neural networks: from a suite file to a versioned leaderboard.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    running,
    status,
    suites,
    comparing,
    components,
    development,
    exporting,
    gc,
    plots,
    published,
    publishing,
    verification,
    exchange,
    scoring,
):
    module.add_to(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.print(f"robustbench_snn {robustbench_snn.__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself, before any subcommand."""


def main() -> None:
    """Runs a command; a :class:`UserError` is one message and exit code 2, a signal that ends it 128 and its number."""
    try:
        with stoppable():
            app()
    except UserError as error:
        errors.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False, markup=True)
        sys.exit(2)
    except Stopped as stop:
        sys.exit(128 + stop.number)

"""Commands on suite files alone: validate, schema."""

from __future__ import annotations

import typer

from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import Overrides, Plugins, Suite, load_plugins


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(validate)
    app.command()(schema)


def validate(suite: Suite, overrides: Overrides = None, plugin: Plugins = None) -> None:
    """Check a suite file: every problem at once, with its place in the YAML."""
    from robustbench_snn.spec.files import load_suite

    load_plugins(plugin)
    spec = load_suite(suite, list(overrides or []))
    entries = spec.entries()
    seeds = sum(len(entry.seeds) for entry in entries)
    output.print(
        f"{spec.name}: {len(entries)} models, {seeds} trainings, {len(spec.evaluations)} evaluations each: valid"
    )


def schema() -> None:
    """Print the JSON schema of suite files, for completion in editors."""
    from robustbench_snn.spec.schema import suite_schema

    print_json(suite_schema())

"""Commands on what can be named: list, describe; and doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.catalogue import facts_of, kind_of, rows_of
from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import Plugins, load_plugins

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("list")(list_components)
    app.command()(describe)
    app.command()(doctor)


def list_components(
    kind: Annotated[
        str,
        typer.Argument(
            help="encoders, backbones, evaluations, datasets, recipes, attacks, flags, reported, ...",
            autocompletion=completion.kinds,
        ),
    ],
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """List what can be named in a suite, flags, and numbers of papers."""
    from robustbench_snn.registry import KINDS

    if plugin:
        load_plugins(plugin)
    plural = kind_of(kind)
    if plural in KINDS:
        registry = KINDS[plural]
        rows = [
            {"name": name, "version": found.version, "summary": found.summary, **asdict(found.traits)}
            | ({"preset": dict(found.preset)} if found.preset else {})
            for name in registry
            for found in [registry.declaration(name)]
        ]
    else:
        rows = rows_of(plural)
    if as_json:
        print_json(rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "what it is", title=plural, title_justify="left")
    for row in rows:
        preset = ", ".join(f"{key}={value}" for key, value in row.get("preset", {}).items())
        summary = Text(row["summary"]).append(f" ({preset})" if preset else "", style="dim")
        table.add_row(Text(row["name"]), summary)
    output.print(table)


def describe(
    kind: Annotated[
        str,
        typer.Argument(help="encoder, backbone, evaluation, dataset, suite, ...", autocompletion=completion.kinds),
    ],
    name: Annotated[str, typer.Argument(help="A name of rbsnn list.", autocompletion=completion.names)],
    as_json: AsJson = False,
    plugin: Plugins = None,
    classes: Annotated[int, typer.Option(min=1, help="Backbones: number of classes.")] = 10,
    image_size: Annotated[int, typer.Option(min=1, help="Backbones: image height and width.")] = 32,
    channels: Annotated[int, typer.Option(min=1, help="Backbones: image channels.")] = 3,
    timesteps: Annotated[int, typer.Option(min=1, help="Backbones: T.")] = 4,
) -> None:
    """Show one component: what it is, its parameters, and for a backbone its size; or a suite, a recipe, a flag."""
    from robustbench_snn.registry import KINDS

    if plugin:
        load_plugins(plugin)
    plural = kind_of(kind)
    if plural not in KINDS:
        told = facts_of(plural, name)
        text = told.pop("text")
        if as_json:
            print_json(told)
        else:
            output.print(text, highlight=False, soft_wrap=True)
        return
    found = KINDS[plural].get(name)
    schema = found.parameters.model_json_schema()
    facts: dict[str, Any] = {
        "name": name,
        "kind": KINDS[plural].kind,
        "version": found.declaration.version,
        "summary": found.declaration.summary,
        **asdict(found.declaration.traits),
        "preset": dict(found.declaration.preset),
        "parameter_schema": schema,
        "origin": found.declaration.origin,
    }
    if plural == "backbones":
        from robustbench_snn.model.counting import describe_backbone

        facts |= describe_backbone(
            name, {}, classes=classes, image_size=image_size, channels=channels, timesteps=timesteps
        )
    if as_json:
        print_json(facts)
        return
    import inspect

    from rich.table import Table
    from rich.text import Text

    output.print(f"[bold]{name}[/] ({facts['kind']}, version {facts['version']})", markup=True)
    output.print(inspect.getdoc(found.implementation) or "", highlight=False)
    table = Table("parameter", "default", "takes", "what it is", title="parameters", title_justify="left")
    for key, entry in schema.get("properties", {}).items():
        default = entry.get("default", "required")
        table.add_row(key, Text(str(default)), Text(_takes(entry)), Text(entry.get("description", "")))
    output.print(table)
    for key in ("parameters", "parameters_paper", "parameters_used"):
        if key in facts:
            output.print(f"{key}: {facts[key]:,}")


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, the neuron implementation and the datasets found."""
    from robustbench_snn.cli.doctor import diagnose

    facts = diagnose()
    if as_json:
        print_json(facts)
        return
    from rich.table import Table

    for section, entries in facts.items():
        table = Table("", "", title=section, title_justify="left", show_header=False)
        for key, value in entries.items():
            table.add_row(key, str(value))
        output.print(table)


def _takes(entry: dict[str, Any]) -> str:
    if "enum" in entry:
        return " | ".join(map(str, entry["enum"]))
    if "anyOf" in entry:
        return " or ".join(_takes(option) for option in entry["anyOf"])
    if entry.get("type") == "integer" and "exclusiveMinimum" in entry:
        entry = entry | {"minimum": entry["exclusiveMinimum"] + 1, "exclusiveMinimum": None}
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = " ".join(f"{sign} {entry[key]}" for key, sign in limits.items() if entry.get(key) is not None)
    return f"{entry.get('type', entry.get('const', 'mapping'))} {bounds}".strip()

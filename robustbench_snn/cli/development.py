"""Commands for those who build components: new, check, explain, import-weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import output
from robustbench_snn.cli.options import Plugins, load_plugins, parameters_of


class Format(StrEnum):
    """Whose names a published checkpoint has."""

    spikformer = "spikformer"
    spikingformer = "spikingformer"
    sdt = "sdt"
    qkformer = "qkformer"


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(check)
    app.command()(new)
    app.command()(explain)
    app.command("import-weights")(import_weights)


def check(
    kind: Annotated[str, typer.Argument(help="encoder, backbone, evaluation, attack, estimator, ...")],
    file: Annotated[Path, typer.Argument(help="The Python file that registers it.")],
    parameter: Annotated[list[str] | None, typer.Option("--set", help="A parameter: key=value. Repeatable.")] = None,
) -> None:
    """Run the conformance kit on a file: what passed, what failed, and why."""
    from rich.table import Table
    from rich.text import Text

    from robustbench_snn.testing import check_file

    results = check_file(file, kind.removesuffix("s"), **parameters_of(parameter))
    table = Table("component", "check", "", "why", title=str(file), title_justify="left")
    for result in results:
        state = Text("passed", style="green") if result.passed else Text("failed", style="bold red")
        table.add_row(result.component, result.name, state, Text(result.reason))
    output.print(table)
    failed = sum(not result.passed for result in results)
    output.print(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


def new(
    kind: Annotated[str, typer.Argument(help="encoder, backbone, evaluation, attack, estimator, ...")],
    name: Annotated[str, typer.Argument(help="Its name in suite files, such as my_code.")],
    folder: Annotated[Path, typer.Option(help="Where to write the files; here without it.")] = Path(),
) -> None:
    """Write a working component and its test, to start from."""
    from robustbench_snn.testing.scaffold import new_component

    singular = kind.removesuffix("s")
    component, test = new_component(singular, name, folder)
    for path in (component, test):
        output.print(f"wrote {path} (in {path.resolve().parent})", highlight=False, soft_wrap=True)
    output.print(f"next: edit {component}, then", highlight=False)
    output.print(f"  rbsnn check {singular} {component}", highlight=False)
    output.print(f"  pytest {test}", highlight=False)
    output.print(f"  rbsnn run SUITE.yaml --plugin {component}", highlight=False)


def explain(
    flag: Annotated[
        str, typer.Argument(help="A flag of a leaderboard (rbsnn list flags).", autocompletion=completion.flags)
    ],
    plugin: Plugins = None,
) -> None:
    """Say what a flag of a leaderboard means, and what to do about it."""
    from robustbench_snn.evaluation.flags import explain as meaning

    load_plugins(plugin)
    output.print(meaning(flag), highlight=False)


def import_weights(
    file: Annotated[Path, typer.Argument(help="A published checkpoint (.pth).")],
    format: Annotated[Format, typer.Option(help="Whose checkpoint it is.")] = Format.spikformer,  # noqa: A002
    to: Annotated[Path | None, typer.Option(help="Where to write; beside the file without it.")] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Attention heads; the authors' without it.")] = None,
    timesteps: Annotated[int, typer.Option(min=1, help="T.")] = 4,
    image_size: Annotated[int, typer.Option(min=1, help="Height and width in pixels.")] = 32,
    normalize: Annotated[bool, typer.Option(help="Whether it was trained on normalised pixels.")] = True,
) -> None:
    """Convert the authors' checkpoint to a safetensors file that a suite can name as weights:."""
    import yaml

    from robustbench_snn.weights.importing import ImportOptions, import_weights_report, save_imported

    options = ImportOptions(
        format=format.value, heads=heads, timesteps=timesteps, image_size=image_size, normalize=normalize
    )
    report = import_weights_report(file, **options)
    output.print(report.explain(), highlight=False)
    target = to or file.with_suffix(".safetensors")
    facts = save_imported(file, target, **options)
    output.print(f"wrote {target}; in a suite:", highlight=False)
    model = {
        "name": target.stem,
        "encoder": facts["encoder"],
        "backbone": {"name": facts["backbone"]["name"], **facts["backbone"]["parameters"]},
        "timesteps": facts["timesteps"],
        "weights": str(target),
    }
    output.print(yaml.safe_dump({"models": [model]}, sort_keys=False), highlight=False)

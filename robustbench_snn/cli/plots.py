"""Pictures: rbsnn plot encoder|..."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import output
from robustbench_snn.cli.options import Plugins, Results, load_plugins, parameters_of
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from robustbench_snn.store.records import Record

plot = typer.Typer(
    help="Draw pictures: an encoder at work, columns of a table, attacks, timesteps, faults.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(plot, name="plot")


@plot.command()
def encoder(
    name: Annotated[
        str, typer.Argument(help="A name of rbsnn list encoders.", autocompletion=completion.encoder_names)
    ],
    image: Annotated[Path | None, typer.Option(help="An image file; a digit without it.")] = None,
    timesteps: Annotated[int, typer.Option(min=1, help="T.")] = 4,
    parameter: Annotated[list[str] | None, typer.Option("--set", help="A parameter: key=value. Repeatable.")] = None,
    plugin: Plugins = None,
    to: Annotated[Path | None, typer.Option(help="Where to write, without an ending.")] = None,
) -> None:
    """Draw what an encoder makes of an image: frames, spikes, firing rates, words."""
    from robustbench_snn.plotting.encoder import plot_encoder

    load_plugins(plugin)
    parameters = parameters_of(parameter)
    base = to or Path(f"encoder_{name}")
    _tell(plot_encoder(name, _image(image), timesteps=timesteps, parameters=parameters, path=base))


def _image(path: Path | None) -> Tensor:
    """An image file, or the first test digit, as float32 (C, H, W) in [0, 1]."""
    import torch

    if path is None:
        from robustbench_snn.dataset import load_dataset

        return load_dataset("digits").test.images(torch.tensor([0]))[0]
    from robustbench_snn.dataset.encoded import image_format

    decoded = image_format(path, str(path), None, 1.0).decode(path, str(path))
    return decoded.to(torch.float32) / 255.0


StoreFolder = Annotated[Path, typer.Option(envvar="RBSNN_STORE", help="Folder of the records.")]
Target = Annotated[Path | None, typer.Option(help="Where to write, without an ending.")]


@plot.command()
def timesteps(
    table: Annotated[str, typer.Argument(help="A published table with an evaluation timesteps.")],
    evaluation: Annotated[str, typer.Option(help="Its label.")] = "timesteps",
    results: Results = Path("results"),
    to: Target = None,
) -> None:
    """Draw accuracy over inference T, for all models of a table."""
    from robustbench_snn.leaderboard.versions import load_table
    from robustbench_snn.plotting.timesteps import plot_timesteps

    _tell(plot_timesteps(load_table(results, table), to or Path(f"timesteps_{table}"), evaluation))


@plot.command()
def columns(
    table: Annotated[str, typer.Argument(help="A published table.")],
    column: Annotated[
        list[str] | None, typer.Option(help="Label of a column; all that have an accuracy without it. Repeatable.")
    ] = None,
    results: Results = Path("results"),
    to: Target = None,
) -> None:
    """Draw columns of a table side by side: what each evaluation leaves of each model."""
    from robustbench_snn.leaderboard.versions import load_table
    from robustbench_snn.plotting.columns import plot_columns

    _tell(plot_columns(load_table(results, table), to or Path(f"columns_{table}"), column or ()))


@plot.command()
def matrix(
    table: Annotated[str, typer.Argument(help="A published table whose grid has several timesteps.")],
    evaluation: Annotated[str, typer.Option(help="Label of the evaluation that sweeps T.")] = "timesteps",
    results: Results = Path("results"),
    to: Target = None,
) -> None:
    """Draw accuracy by T at training and T at inference, one heat map a model, whose name ends the files' names."""
    from robustbench_snn.leaderboard.timestep_matrix import timestep_matrices
    from robustbench_snn.leaderboard.versions import load_table
    from robustbench_snn.plotting.timesteps import plot_timestep_matrix

    base = to or Path(f"matrix_{table}")
    for found in timestep_matrices(load_table(results, table), evaluation):
        _tell(plot_timestep_matrix(found, base.with_name(f"{base.name}_{found.name.replace(' ', '_')}")))


@plot.command()
def faults(
    table: Annotated[str, typer.Argument(help="A published table with an evaluation hardware_faults.")],
    evaluation: Annotated[str, typer.Option(help="Its label.")] = "hardware_faults",
    results: Results = Path("results"),
    to: Target = None,
) -> None:
    """Draw accuracy over the rate of each fault of hardware, for all models of a table."""
    from robustbench_snn.leaderboard.versions import load_table
    from robustbench_snn.plotting.faults import plot_faults

    _tell(plot_faults(load_table(results, table), to or Path(f"faults_{table}"), evaluation))


@plot.command()
def spikes(
    record: Annotated[str, typer.Argument(help="Key of a profile record, or its first characters.")],
    condition: Annotated[str | None, typer.Option(help="Which condition's distance; the first without it.")] = None,
    store: StoreFolder = Path("runs"),
    to: Target = None,
) -> None:
    """Draw firing rates by layer and, for a profile with conditions, how spikes move away from the clean ones."""
    from robustbench_snn.plotting.spikes import plot_firing_rates, plot_spike_distance
    from robustbench_snn.store.store import Store

    found = Store(store).find(record)
    if "layers" not in found.details:
        raise UserError(
            f"the record {found.key[:12]} ({_what(found)}) has no firing rates: give one of the evaluation "
            "profile, or draw an attack's with rbsnn plot attack"
        )
    base = to or Path(f"spikes_{found.key[:12]}")
    _tell(plot_firing_rates(found.details, base.with_name(f"{base.name}_rates"), found.model))
    if found.details.get("distance"):
        _tell(plot_spike_distance(found.details, base.with_name(f"{base.name}_distance"), condition))


def _what(record: Record) -> str:
    done = "training" if record.kind == "train" else record.identity["evaluation"]["name"]
    return f"{done} of {record.model}"


def _tell(paths: Iterable[Path]) -> None:
    for path in paths:
        output.print(f"wrote {path}", highlight=False)


@plot.command()
def attack(
    record: Annotated[str, typer.Argument(help="Key of an attack's record, or its first characters.")],
    store: StoreFolder = Path("runs"),
    plugin: Plugins = None,
    to: Target = None,
) -> None:
    """Draw an attack: which stage broke how many, its eps curve, and, with keep_images, images and spikes."""
    import torch

    from robustbench_snn.execution.rebuild import rebuild
    from robustbench_snn.plotting import attack as pictures
    from robustbench_snn.plotting.saving import save_figure
    from robustbench_snn.store.store import Store

    load_plugins(plugin)
    records = Store(store)
    found = records.find(record)
    base = to or Path(f"attack_{found.key[:12]}")
    drawn = {}
    if found.details.get("stages"):
        drawn["breakdown"] = pictures.draw_breakdown(found.details["stages"])
    if found.details.get("curve"):
        drawn["curve"] = pictures.draw_curve(found.details["curve"])
    if found.details.get("changes"):
        drawn["curve"] = pictures.draw_changes(found.details["changes"], found.details["accuracies"])
    arrays = records.arrays(found.key)
    if {"clean", "adversarial"} <= set(arrays):
        clean, adversarial = arrays["clean"], arrays["adversarial"]
        drawn["images"] = pictures.draw_images(clean, adversarial)
        target = rebuild(records, found)
        if target.neurons:
            changed = pictures.spike_differences(target, torch.from_numpy(clean), torch.from_numpy(adversarial))
            drawn["spikes"] = pictures.draw_spikes(changed)
    if not drawn:
        raise UserError(f"the record {found.key[:12]} ({_what(found)}) is not one of an attack")
    for name, figure in drawn.items():
        _tell(save_figure(figure, base.with_name(f"{base.name}_{name}")))
    if "images" not in drawn:
        output.print("no images were kept; run the attack with keep_images: 8 to draw them", highlight=False)

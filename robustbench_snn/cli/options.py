"""Options that many commands have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from robustbench_snn.cli import completion
from robustbench_snn.errors import UserError, shortened

Suite = Annotated[
    str,
    typer.Argument(
        help="A suite file, or the name of a shipped suite (rbsnn list suites).", autocompletion=completion.suites
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Replace a value of the suite: dotted.key=value. Repeatable.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N, or auto.")]


def _jobs(text: str | int) -> int:
    """A number of workers; 0 stands for ``auto``."""
    if text == "auto":
        return 0
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise typer.BadParameter(f"{text!r} is neither a number of workers nor auto")
    return number


Jobs = Annotated[
    int,
    typer.Option(
        parser=_jobs, metavar="N|auto", help="Worker processes; auto: one a GPU, or one a core, with one thread each."
    ),
]
Executor = Annotated[
    str, typer.Option("--executor", help="Where cells are computed: local, ray, ray:ADDRESS, slurm or slurm:local.")
]
ResourceValues = Annotated[
    list[str] | None,
    typer.Option(
        "--resources",
        help="What a cell takes of a cluster, over the suite's resources: cpus=4, gpus=1, memory=16, minutes=240, "
        "partition=NAME, cells_per_job=8, jobs_at_once=64. Repeatable.",
    ),
]
CellTimeout = Annotated[
    float | None, typer.Option("--cell-timeout", min=0.1, help="Seconds after which a cell has failed.")
]
ShardOf = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Compute the I-th of N parts, and publish nothing.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="Evaluate on this many test samples.")]
Onto = Annotated[
    str | None,
    typer.Option(
        help="Add the suite's models to this published table: a name, or the folder of one.",
        autocompletion=completion.tables,
    ),
]
StoreFolder = Annotated[Path, typer.Option("--store", envvar="RBSNN_STORE", help="Folder of the records.")]
Plugins = Annotated[list[Path] | None, typer.Option("--plugin", help="Python file with components. Repeatable.")]
Results = Annotated[Path, typer.Option(envvar="RBSNN_RESULTS", help="Folder of the published tables.")]


def load_plugins(files: Sequence[Path] | None) -> None:
    """Imports the files, so that what they register can be named."""
    from robustbench_snn.registry import load_plugin

    for file in files or ():
        load_plugin(file)


def jobs_on(device: str, jobs: int) -> int:
    """The number of workers; for ``auto``, as many as there are GPUs, or cores."""
    if jobs:
        return jobs
    import torch

    from robustbench_snn.machine import usable_cores

    return max(1, torch.cuda.device_count()) if device == "cuda" else usable_cores()


def resource_changes(values: Sequence[str] | None) -> list[str]:
    """What ``--resources`` changes of a suite, as ``--set`` takes it."""
    return [f"resources.{value}" for value in values or ()]


def parameters_of(settings: Sequence[str] | None) -> dict[str, Any]:
    """Parameters of a component from ``--set key=value``, the values as YAML.

    Raises:
        UserError: if one is not of that form, or its value is no YAML.
    """
    import yaml

    from robustbench_snn.yaml_text import read_yaml

    parameters = {}
    for setting in settings or ():
        key, sign, value = setting.partition("=")
        if not sign:
            raise UserError(f"--set takes key=value, got '{shortened(setting)}'")
        try:
            parameters[key] = read_yaml(value)
        except yaml.YAMLError as error:
            raise UserError(f"--set {shortened(setting)}: not valid YAML: {' '.join(str(error).split())}") from None
    return parameters


def changes_of(overrides: Sequence[str] | None, limit: int | None, onto: str | None) -> list[str]:
    """What the options change of a suite file, as ``--set`` takes it.

    Raises:
        UserError: if a limit is given where a table says which samples there are.
    """
    if onto and limit:
        raise UserError("--limit and --onto exclude each other: the samples are those of the table")
    return [*(overrides or ()), *([f"dataset.limit={limit}"] if limit else ())]

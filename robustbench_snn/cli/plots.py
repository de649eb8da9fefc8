"""Pictures: rbsnn plot encoder|..."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robustbench_snn.cli.console import output
from robustbench_snn.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

plot = typer.Typer(help="Draw pictures: an encoder at work, attacks, timesteps.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.add_typer(plot, name="plot")


@plot.command()
def encoder(
    name: Annotated[str, typer.Argument(help="A name of rbsnn list encoders.")],
    image: Annotated[Path | None, typer.Option(help="An image file; a digit without it.")] = None,
    timesteps: Annotated[int, typer.Option(min=1, help="T.")] = 4,
    parameter: Annotated[list[str] | None, typer.Option("--set", help="A parameter: key=value. Repeatable.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option("--plugin", help="Python file with components.")] = None,
    to: Annotated[Path | None, typer.Option(help="Where to write, without an ending.")] = None,
) -> None:
    """Draw what an encoder makes of an image: frames, spikes, firing rates, words."""
    import yaml

    from robustbench_snn.plotting.encoder import plot_encoder
    from robustbench_snn.registry import load_plugin

    for file in plugin or []:
        load_plugin(file)
    parameters = {}
    for setting in parameter or []:
        key, sign, value = setting.partition("=")
        if not sign:
            raise UserError(f"--set takes key=value, got '{setting}'")
        parameters[key] = yaml.safe_load(value)
    written = plot_encoder(
        name, _image(image), timesteps=timesteps, parameters=parameters, path=to or Path(f"encoder_{name}")
    )
    for path in written:
        output.print(f"wrote {path}", highlight=False)


def _image(path: Path | None) -> Tensor:
    """An image file, or the first test digit, as float32 (C, H, W) in [0, 1]."""
    import numpy as np
    import torch

    if path is None:
        from robustbench_snn.datasets import load_dataset

        return load_dataset("digits").test.images(torch.tensor([0]))[0]
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            pixels = np.asarray(opened.convert("L" if opened.mode in ("1", "L", "I;16") else "RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"image {path} cannot be read: {error}") from None
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(planes)).to(torch.float32) / 255.0

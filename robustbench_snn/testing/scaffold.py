"""Starting points for new components: a working file and its test."""

from __future__ import annotations

import keyword
from pathlib import Path
from string import Template

from robustbench_snn.errors import UserError
from robustbench_snn.registry import encoders

_ENCODER = Template(
    r'''"""$title coding: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.model.encoder import FrameEncoder, Stem, register_encoder


@register_encoder("$name", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class $cls(FrameEncoder):
    r"""One line for listings: shows the image at a contrast that falls from step to step.

    .. math:: \text{frame}_t = x\, d^t

    Args:
        decay: :math:`d`, in (0, 1]; at 1 this is direct coding.

    Shape:
        - images: (B, C, H, W), raw pixels in [0, 1]
        - frames: (T, B, C, H, W)
        - returns: (T, B, C_e, H_e, W_e), spikes in {0, 1}
    """

    def __init__(self, stem: Stem, *, decay: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8) -> None:
        super().__init__(stem)
        self.decay = decay

    def frames(self, images: Tensor, timesteps: int) -> Tensor:
        """The image at falling contrast. A code that rounds or compares: see robustbench_snn.model.coding_gradients."""
        steps = torch.arange(timesteps, device=images.device, dtype=images.dtype)
        return self.normalize(images) * (self.decay**steps).reshape(-1, 1, 1, 1, 1)
'''
)

_ENCODER_TEST = Template('''"""Conformance of $name, and what only its author knows: its formula."""

from __future__ import annotations

from pathlib import Path

import torch

from robustbench_snn.model.encoder import Stem
from robustbench_snn.registry import encoders, load_plugin
from robustbench_snn.testing import EncoderConformance
from robustbench_snn.testing.models import make_task, sample_images

load_plugin(Path(__file__).with_name("$name.py"))


class Test$cls(EncoderConformance):
    """Every check of the kit; the same as ``rbsnn check encoder $name.py``."""

    component = "$name"


def test_frames_follow_the_formula() -> None:
    """Against a computation that shares no code with the encoder."""
    task = make_task()
    images = sample_images(task, 2)
    frames = encoders.create("$name", Stem(task, 16), decay=0.5).frames(images, 3)
    for t in range(3):
        torch.testing.assert_close(frames[t], (images - 0.5) / 0.29 * 0.5**t)
''')


def new_encoder(name: str, folder: str | Path) -> list[Path]:
    """Writes ``NAME.py``, a working encoder, and ``test_NAME.py``, which passes.

    Args:
        name: the encoder's name in suite files: lower case, digits and underscores.
        folder: where to write; made if missing.

    Returns:
        The two files.

    Raises:
        UserError: if the name is no Python identifier in lower case or is taken, a file is there already, or the
            folder cannot be written.
    """
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name) or name.startswith("_"):
        raise UserError(
            f"'{name}' cannot name an encoder; use lower-case letters, digits and underscores, as in my_code"
        )
    if name in encoders:
        raise UserError(f"encoder '{name}' exists already (rbsnn describe encoder {name}); choose another name")
    place = Path(folder)
    files = {place / f"{name}.py": _ENCODER, place / f"test_{name}.py": _ENCODER_TEST}
    if taken := [str(file) for file in files if file.exists()]:
        raise UserError(f"{', '.join(taken)} exists already; remove it or choose another name or folder")
    words = {
        "name": name,
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "title": name.replace("_", " ").capitalize(),
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file, template in files.items():
            file.write_text(template.substitute(words), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {place}: {error.strerror}; choose another folder") from None
    return list(files)

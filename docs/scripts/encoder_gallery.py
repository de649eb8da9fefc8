"""Draws every encoder's picture of one handwritten digit into docs/gallery, and the page that shows them.

Run from the root of the repository: ``python docs/scripts/encoder_gallery.py``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from robustbench_snn.plotting.encoder import plot_encoder
from robustbench_snn.registry import encoders
from robustbench_snn.registry.data_kind import takers

GALLERY = Path(__file__).resolve().parents[1] / "gallery"
SHOWN = 0  # the first image of scikit-learn's digits, a zero
TIMESTEPS = 4


def main() -> None:
    """One picture a shipped encoder, presets that are no other name of the default included."""
    torch.set_num_threads(1)
    image = torch.tensor(load_digits().images[SHOWN] / 16.0, dtype=torch.float32)[None]
    lines = [
        "# Gallery of encoders",
        "",
        f"One 8x8 digit through every shipped encoder, untrained, T = {TIMESTEPS}, 48 channels. Top: the image and, "
        "where the encoder shows frames to the shared stem, these. Middle: spikes of each step, mean over channels. "
        "Bottom: share of neurons that fire, and the words of T bits that the neurons say (first step leftmost).",
        "",
        "Made by `python docs/scripts/encoder_gallery.py`; one of your own: `rbsnn plot encoder NAME --image FILE`.",
        "",
    ]
    for name in takers("encoders", events=False):
        _, vector = plot_encoder(name, image, timesteps=TIMESTEPS, path=GALLERY / name)
        vector.unlink()  # the page shows the PNG
        summary = encoders.declaration(name).summary
        preset = ", ".join(f"{key}: {value}" for key, value in encoders.declaration(name).preset.items())
        lines += [f"## {name}", "", summary + (f" ({preset})." if preset else "."), "", f"![{name}]({name}.png)", ""]
    (GALLERY / "README.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {len(list(GALLERY.glob('*.png')))} pictures to {GALLERY}")


if __name__ == "__main__":
    main()

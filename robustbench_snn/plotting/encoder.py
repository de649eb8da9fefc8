"""What an encoder makes of one image: frames, spikes, firing rates and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure, SubFigure
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.model.calibration import calibrate
from robustbench_snn.model.encoder import Encoder, FrameEncoder, Stem
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.task import Task
from robustbench_snn.plotting.saving import save_figure
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import encoders
from robustbench_snn.spikes.words import global_word_entropy, word_histogram

ALL_WORDS = 64
"""Up to so many words, each gets its bar; of more, the most frequent ones."""


@dataclass(frozen=True)
class EncoderRun:
    """One image through one encoder.

    Attributes:
        name: the encoder's name.
        image: (C, H, W) in [0, 1].
        frames: (T, C, H, W), or None if the encoder replaces the stem itself.
        spikes: (T, C_e, H_e, W_e).
    """

    name: str
    image: Tensor
    frames: Tensor | None
    spikes: Tensor

    @property
    def rates(self) -> list[float]:
        """Share of neurons that fire, by step."""
        return [float((step != 0).float().mean()) for step in self.spikes]

    @property
    def words(self) -> list[int]:
        """How many neurons say each of the 2^T words."""
        counts: list[int] = word_histogram(self.spikes[:, None])[0].tolist()
        return counts

    @property
    def entropy(self) -> float:
        """Normalised entropy of the words, in [0, 1]."""
        return global_word_entropy(self.spikes[:, None])


def run_encoder(
    name: str,
    image: Tensor,
    *,
    timesteps: int = 4,
    parameters: Mapping[str, Any] | None = None,
    channels: int = 48,
    seed: int = 0,
) -> EncoderRun:
    """Encodes one image with an untrained encoder whose batch norms have seen that image.

    Args:
        name: a registered encoder.
        image: (C, H, W), float, in [0, 1]; 1 or 3 channels.
        timesteps: T, also the T that it is built for.
        parameters: its YAML parameters.
        channels: C_e.
        seed: of its initial weights and of a stochastic code.

    Raises:
        UserError: if the name, a parameter or the image is not valid.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3) or image.min() < 0 or image.max() > 1:
        raise UserError(f"an image is (C, H, W) with 1 or 3 channels and pixels in [0, 1], not {tuple(image.shape)}")
    height, width = image.shape[1:]
    means = tuple(float(channel.mean()) for channel in image)
    deviations = tuple(max(float(channel.std()), 1e-3) for channel in image)
    stem = Stem(Task(len(image), height, width, 10, timesteps, means, deviations), channels)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        encoder: Encoder = encoders.create(name, stem, **(parameters or {}))
        encoder.seed(SampleRandom.for_samples("plot", seed, sample_ids=[0]))
        calibrate(encoder, lambda model: model(image[None], timesteps))
        reset(encoder)
        spikes = encoder(image[None], timesteps)[:, 0]
        frames = encoder.frames(image[None], timesteps)[:, 0] if isinstance(encoder, FrameEncoder) else None
    return EncoderRun(name, image, frames, spikes)


def plot_encoder(
    name: str,
    image: Tensor,
    *,
    timesteps: int = 4,
    parameters: Mapping[str, Any] | None = None,
    path: str | Path,
) -> tuple[Path, Path]:
    """Draws input frames, spikes of every step, firing rates and the word histogram of one image.

    Args:
        name: a registered encoder.
        image: (C, H, W), float, in [0, 1].
        timesteps: T.
        parameters: its YAML parameters.
        path: where to write; the suffix is replaced by ``.png`` and ``.svg``.

    Returns:
        The two files.

    Raises:
        UserError: if an argument is not valid or the files cannot be written.
    """
    run = run_encoder(name, image, timesteps=timesteps, parameters=parameters)
    with mpl.rc_context({"font.size": 8.0}):
        return save_figure(draw(run), Path(path).with_suffix(""), dpi=120)


def draw(run: EncoderRun) -> Figure:
    """The figure of one run."""
    steps = len(run.spikes)
    shown = [run.image] if run.frames is None else [run.image, *run.frames]
    figure = Figure(figsize=(max(6.0, 1.2 * (steps + 1)), 4.6), layout="constrained")
    figure.suptitle(f"{run.name}, T = {steps}", fontweight="bold")
    parts: Any = figure.subfigures(3, 1, height_ratios=(1.2, 1.2, 1.4))
    top, middle, bottom = parts
    _row(top, shown, ["image", *(f"frame {t}" for t in range(len(shown) - 1))], steps + 1)
    maps = [step.mean(0, keepdim=True) for step in run.spikes]
    _row(middle, maps, [f"spikes {t}" for t in range(steps)], steps + 1, lead=1)
    rates, words = bottom.subplots(1, 2, width_ratios=(1, 2))
    rates.bar(range(steps), run.rates, color="tab:blue")
    rates.set(title="firing rate", xlabel="step", ylim=(0, max(0.05, *run.rates) * 1.1), xticks=range(steps))
    _words(words, run)
    return figure


def _row(figure: SubFigure, images: list[Tensor], titles: list[str], columns: int, lead: int = 0) -> None:
    """Images side by side on one grey scale, after ``lead`` empty places."""
    axes = figure.subplots(1, columns, squeeze=False)[0]
    pictures = images[1:] if titles[0] == "image" and len(images) > 1 else images
    low, high = min(float(p.min()) for p in pictures), max(float(p.max()) for p in pictures)
    for axis in axes:
        axis.set_axis_off()
    for place, (image, title) in enumerate(zip(images, titles, strict=True), start=lead):
        span = (0.0, 1.0) if title == "image" else (low, max(high, low + 1e-6))
        scaled = ((image - span[0]) / (span[1] - span[0])).clamp(0, 1)
        axes[place].imshow(scaled.movedim(0, -1).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        axes[place].set_title(title)


def _words(axis: Any, run: EncoderRun) -> None:
    """The word histogram, all words or the most frequent."""
    steps, counts = len(run.spikes), torch.tensor(run.words)
    chosen = torch.arange(len(counts))
    if len(counts) > ALL_WORDS:
        chosen = counts.argsort(descending=True, stable=True)[: ALL_WORDS // 2]
    shares = (counts[chosen] / counts.sum()).tolist()
    axis.bar(range(len(shares)), shares, color="tab:orange")
    labels = [format(word, f"0{steps}b") for word in chosen.tolist()]
    axis.set_xticks(range(len(shares)), labels, rotation=90, fontsize=6)
    which = "words" if len(counts) <= ALL_WORDS else f"{len(chosen)} most frequent words"
    axis.set(title=f"{which}, entropy {run.entropy:.2f} of 1", yscale="log", ylabel="share of neurons")

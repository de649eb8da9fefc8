"""The authors' published checkpoints, as classifiers of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from torch import Tensor

from robustbench_snn.dataset import statistics
from robustbench_snn.errors import UnknownNameError, UserError, did_you_mean
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.counting import direct_classifier
from robustbench_snn.model.task import IMAGENET_SIDE, Task
from robustbench_snn.weights.formats import FORMATS, Layout
from robustbench_snn.weights.formats.matching import WeightReport, match_state
from robustbench_snn.weights.formats.reading import read_state
from robustbench_snn.weights.tensors import save_weights

__all__ = ["ImportOptions", "WeightReport", "import_weights", "import_weights_report", "save_imported"]

Format = Literal["spikformer", "spikingformer", "sdt", "qkformer"]

HEAD = "head.weight"


class ImportOptions(TypedDict, total=False):
    """The keyword parameters of :func:`import_weights`."""

    format: Format
    depth: int | None
    width: int | None
    heads: int | None
    classes: int | None
    timesteps: int
    image_size: int
    normalize: bool


@dataclass(frozen=True)
class Import:
    """A file laid beside the model that it is for."""

    classifier: Classifier
    tensors: Mapping[str, Tensor]
    report: WeightReport
    facts: Mapping[str, Any]


def import_weights(
    file: str | Path,
    *,
    format: Format = "spikformer",  # noqa: A002 - the word that the command line uses
    depth: int | None = None,
    width: int | None = None,
    heads: int | None = None,
    classes: int | None = None,
    timesteps: int = 4,
    image_size: int = 32,
    normalize: bool = True,
) -> Classifier:
    """Builds the classifier of a published checkpoint, ready in eval mode: direct code, raw pixels in, logits out.

    It computes what the authors' model does, with their order of max-pool and neurons. (Only QKFormer's official
    membrane leak from sample to sample is left out: it has no meaning for one image.)

    Args:
        file: a .pth file, wrapped in ``{"state_dict": ...}`` or not, or a .safetensors file. No code in it is run.
        format: whose names the file has.
        depth: number of blocks; None reads it from the file.
        width: channels D; None reads it from the file.
        heads: attention heads, which no file tells; None takes the authors': 12 for CIFAR in Spikformer and
            Spikingformer, 8 in SDT and QKFormer, one for 64 channels in ImageNet models (SDT: 8).
        classes: number of classes K; None reads it from the file.
        timesteps: T.
        image_size: height and width in pixels. From 64 on images are ImageNet's, with its mean and standard
            deviation and four pooling stages; below, CIFAR's and two.
        normalize: False leaves mean and standard deviation out, for models trained on raw pixels.

    Raises:
        UserError: if the file cannot be read, a shape differs, or a key is left over on either side; the message
            names the keys.
    """
    laid = _lay(file, format, depth, width, heads, classes, timesteps, image_size, normalize)
    return _fill(file, laid)


def import_weights_report(file: str | Path, **options: Unpack[ImportOptions]) -> WeightReport:
    """What :func:`import_weights` would do with a file: which keys meet, and which are left over on either side.

    Raises:
        UserError: if the file cannot be read or is of another format altogether.
    """
    return _lay(file, **options).report


def save_imported(file: str | Path, to: str | Path, **options: Unpack[ImportOptions]) -> dict[str, Any]:
    """Converts a published checkpoint to a safetensors file that a suite can name.

    Returns:
        What the file's header says of the model, for a suite: ``format``, ``backbone`` (``name`` and ``parameters``),
        ``encoder``, ``classes``, ``timesteps``, ``image_size``, ``mean``, ``std``.

    Raises:
        UserError: as :func:`import_weights`, or if the target cannot be written.
    """
    laid = _lay(file, **options)
    save_weights(_fill(file, laid), Path(to), laid.facts)
    return dict(laid.facts)


def _fill(file: str | Path, laid: Import) -> Classifier:
    """The model with the file's weights, if every key has found its place."""
    if not laid.report.complete:
        parameters = laid.facts["backbone"]["parameters"]
        raise UserError(
            f"{file} does not fit {laid.facts['format']} with depth {parameters['depth']}, width {parameters['width']} "
            f"and {laid.facts['classes']} classes: {laid.report.explain()}. Check format, depth, width and classes"
        )
    laid.classifier.load_state_dict(laid.tensors)
    return laid.classifier.eval()


def _lay(
    file: str | Path,
    format: str = "spikformer",  # noqa: A002 - as above
    depth: int | None = None,
    width: int | None = None,
    heads: int | None = None,
    classes: int | None = None,
    timesteps: int = 4,
    image_size: int = 32,
    normalize: bool = True,
) -> Import:
    """Reads a file, builds its model and brings their keys together."""
    if format not in FORMATS:
        raise UnknownNameError(f"Unknown format '{format}'.{did_you_mean(format, FORMATS)} ({', '.join(FORMATS)})")
    layout = FORMATS[format]
    state = read_state(Path(file))
    if HEAD not in state or layout.depth(state) == 0:
        raise UserError(f"{file} is no {format} checkpoint: its keys are {', '.join(list(state)[:5]) or 'none'} ...")
    if state[HEAD].ndim != 2 or not state[HEAD].numel():
        raise UserError(
            f"{file} is no {format} checkpoint: its {HEAD} is {tuple(state[HEAD].shape)}, not classes x width"
        )
    large = image_size >= IMAGENET_SIDE
    imagenet = layout.imagenet(state) if layout.imagenet else large
    width = width or state[HEAD].shape[1]
    depth = depth or layout.depth(state)
    if depth * width**2 > sum(tensor.numel() for tensor in state.values()):  # its smallest block has 3 width^2
        raise UserError(f"{file} holds too few numbers for {format} with depth {depth} and width {width}")
    parameters: dict[str, Any] = {
        "depth": depth,
        "width": width,
        "heads": heads or _heads(layout, width, imagenet),
        "pool": layout.pool,
        "pooling": "1111" if large else "0011",
    }
    if layout.imagenet:
        parameters["form"] = "imagenet" if imagenet else "cifar"
    # The authors' recipes normalise CIFAR-100 by the statistics of CIFAR-10.
    mean, std = statistics.IMAGENET if large else statistics.CIFAR10
    if not normalize:
        mean, std = (0.0,) * 3, (1.0,) * 3
    task = Task(3, image_size, image_size, classes or state[HEAD].shape[0], timesteps, mean, std)
    classifier = direct_classifier(layout.backbone, parameters, task)
    names = dict(layout.names(parameters["depth"], imagenet))
    tensors, report = match_state(state, classifier.state_dict(), names, layout.unused)
    facts = {
        "format": format,
        "encoder": {"name": "direct"},
        "backbone": {"name": layout.backbone, "parameters": parameters},
        "classes": task.classes,
        "timesteps": timesteps,
        "image_size": image_size,
        "mean": mean,
        "std": std,
    }
    return Import(classifier, tensors, report, facts)


def _heads(layout: Layout, width: int, imagenet: bool) -> int:
    return (layout.imagenet_heads or max(1, width // 64)) if imagenet else layout.heads

"""Evaluating any model from Python, in one call."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from robustbench_snn.columns import Column
from robustbench_snn.dataset.event_frames import MOST, EventFrames
from robustbench_snn.dataset.samples import ArraySamples, Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.borrowed import NONE_STATED, borrowed, lacks_eps
from robustbench_snn.evaluation.checked import run_checked
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.kernels.compiling import Mode, using
from robustbench_snn.model.target import Target
from robustbench_snn.registry import evaluations as registry
from robustbench_snn.registry.data_kind import unfit
from robustbench_snn.registry.spec import ComponentSpec, component_spec, problems

Entry = str | Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """What one evaluation found.

    Attributes:
        name: of the evaluation.
        version: of the evaluation; numbers of two versions do not compare.
        parameters: all of them, defaults filled in.
        seed: every random number followed from it.
        sample_ids: int64 (N,), in the order of the images.
        metrics: headline numbers, shares in [0, 1].
        columns: one value a sample, in the order of the images; ``correct`` goes with ``accuracy``.
        details: curves, breakdowns, where an attack stopped.
        flags: names of the checks that failed; :func:`robustbench_snn.evaluation.flags.explain` says what each means.
        arrays: adversarial images, where ``keep_images`` asked for them.
        comparable: False for protocols that do not compare with others.
        seconds: wall time.
    """

    name: str
    version: int
    parameters: Mapping[str, Any]
    seed: int
    sample_ids: Column
    metrics: Mapping[str, float]
    columns: Mapping[str, Column]
    details: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    arrays: Mapping[str, Column] = field(default_factory=dict)
    comparable: bool = True
    seconds: float = 0.0

    @property
    def accuracy(self) -> float:
        """The number that a table would show, in [0, 1]; not a number where an evaluation has none."""
        return self.metrics.get("accuracy", float("nan"))


def evaluate(
    model: nn.Module,
    images: ArrayLike | Tensor,
    labels: ArrayLike | Tensor,
    evaluations: Entry | Sequence[Entry] = ("clean",),
    *,
    sample_ids: ArrayLike | Tensor | None = None,
    seed: int = 0,
    batch_size: int = 128,
    device: torch.device | str | None = None,
    stochastic: bool | None = None,
    checkpointing: bool = False,
    compile: Mode | None = None,  # noqa: A002 - as the option of rbsnn run
    timesteps: int | None = None,
    reset: Callable[[nn.Module], object] | None = None,
    peers: Mapping[str, nn.Module] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Result]:
    """Runs evaluations on any model: of this package, of any library of spiking neurons or none, or an ANN.

    The model is put in eval mode and its weights are frozen while this runs; both are as before afterwards. What it
    keeps from one forward pass to the next is found by a probe and put back before every forward, so it need not reset
    itself; spikes are found wherever it makes them. Normalisation belongs inside it.

    Args:
        model: images (B, C, H, W) in [0, 1], or event frames (B, F, C, H, W), to logits (B, K).
        images: (N, C, H, W), float in [0, 1] or uint8 on 0..255; or event frames (N, F, C, H, W), whole numbers.
        labels: (N,), class numbers.
        evaluations: names, or names with parameters: ``["clean", {"snn_standard": {"eps": "8/255"}}]``; a single one
            needs no list. A list of eps gives one result each; ``diagnostics`` without an eps takes the first that an
            attack beside it states.
        sample_ids: (N,), whole numbers, one a sample and all different; rows 0 to N - 1 if None. Random numbers follow
            from them, so that a permuted set with its ids gives permuted results.
        seed: every random number follows from it and the sample's id.
        batch_size: how many images at once; never changes a number.
        device: moves the model there; None leaves it where it is.
        stochastic: whether two forwards may differ; None asks a classifier of this package, else says no.
        checkpointing: attacks run parts of the model again in their backward pass: less memory, more time, and the
            same numbers.
        compile: whether SpikingJelly's LIF, PLIF and IF neurons run in machine code: ``auto``, where that works, or
            ``off``. It changes no number. None asks the environment variable RBSNN_COMPILE, then takes ``auto``.
        timesteps: T, for a raw net of SpikingJelly layers in step mode s or m that does not loop over its steps; the
            logits of its steps are averaged.
        reset: a function that puts the model at rest, where it keeps what no probe can find.
        peers: other models by name, for transfer attacks.
        progress: called with (samples done, samples in all) now and then.

    Returns:
        One result for each evaluation, or for each part that it is cut into.

    Raises:
        UserError: if an evaluation or parameter is unknown, or images, labels and model do not fit together.

    Example:
        >>> from robustbench_snn import evaluate
        >>> evaluate(model, images, labels, [{"pgd": {"eps": "8/255", "steps": 50}}])[0].accuracy  # doctest: +SKIP
        0.31
    """
    entries = [evaluations] if isinstance(evaluations, str | Mapping) else evaluations
    parts = [part for written in borrowed([component_spec(entry) for entry in entries]) for part in _parts(written)]
    if not isinstance(model, nn.Module):
        raise UserError(
            f"the model is a {type(model).__name__}; it must be a torch.nn.Module: call yours in the forward of one"
        )
    samples = _samples(images, labels, sample_ids)
    for part in parts:
        takes, events = registry.declaration(part.name).traits.takes, isinstance(samples, EventFrames)
        if refusal := unfit("evaluations", part.name, takes, events=events, data="what was given"):
            raise UserError(refusal)
    if batch_size < 1:
        raise UserError(f"batch_size must be at least 1, got {batch_size}")
    if device is not None:
        model = model.to(_usable(device))
    target = Target(model, stochastic=stochastic, checkpointing=checkpointing, timesteps=timesteps, reset=reset)
    others = {name: _lend(Target(peer, checkpointing=checkpointing)) for name, peer in (peers or {}).items()}
    subject = Subject(target, samples, seed, batch_size, str(target.device), progress, others)
    with using(compile), target.frozen():
        _check_classes(target, samples)
        return [_run(part, subject) for part in parts]


def _usable(device: torch.device | str) -> torch.device | str:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{device}' cannot be used: {str(error).splitlines()[0]}") from None
    return device


def _lend(target: Target) -> Callable[[], Target]:
    return lambda: target


def _parts(written: ComponentSpec) -> list[ComponentSpec]:
    """The evaluation of one entry with each set of parameters that it is cut into."""
    if lacks_eps(written):
        raise UserError(f"{written.name}: {NONE_STATED}")
    if found := problems("evaluations", written):
        raise UserError(f"{written.name}: {'; '.join(found)}" if written.name in registry else "; ".join(found))
    component = registry.get(written.name)
    parts = component.implementation.split(component.validate(written.parameters))
    return [ComponentSpec(name=written.name, parameters=part) for part in parts]


def _run(written: ComponentSpec, subject: Subject) -> Result:
    begun = time.perf_counter()
    component = registry.get(written.name)
    outcome: Outcome = run_checked(component.create(**written.parameters), subject)
    return Result(
        name=component.declaration.name,
        version=component.declaration.version,
        parameters=component.validate(written.parameters),
        seed=subject.seed,
        sample_ids=subject.samples.ids.numpy(),
        metrics=dict(outcome.metrics),
        columns=dict(outcome.columns),
        details=dict(outcome.details),
        flags=tuple(outcome.flags),
        arrays=dict(outcome.arrays),
        comparable=outcome.comparable,
        seconds=time.perf_counter() - begun,
    )


def _samples(
    images: ArrayLike | Tensor, labels: ArrayLike | Tensor, sample_ids: ArrayLike | Tensor | None
) -> ArraySamples | EventFrames:
    pixels, classes = _tensor(images, "images"), _tensor(labels, "labels")
    pixels, classes = pixels.detach().cpu(), classes.detach().cpu()
    if pixels.ndim not in (4, 5) or classes.ndim != 1 or len(pixels) != len(classes) or not len(pixels):
        raise UserError(
            f"images must be (N, C, H, W), or event frames (N, F, C, H, W), and labels (N,), N at least 1: got "
            f"{tuple(pixels.shape)} and {tuple(classes.shape)}"
        )
    numbers = None if sample_ids is None else _ids(sample_ids, len(classes))
    if pixels.ndim == 5:
        if not bool(((pixels >= 0) & (pixels <= MOST) & (pixels == pixels.round())).all()):
            raise UserError(f"event frames count events: whole numbers from 0 to {MOST}")
        return EventFrames(pixels, classes, numbers)
    if pixels.dtype != torch.uint8:
        pixels = pixels.to(torch.float32)
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0.0 and high <= 1.0):  # also when not a number
            raise UserError(
                f"images lie between {low:.4g} and {high:.4g}; they must be raw pixels in [0, 1]: "
                "put normalisation inside the model"
            )
    return ArraySamples(pixels, classes, numbers)


def _tensor(values: ArrayLike | Tensor, what: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    try:
        return torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError):
        raise UserError(
            f"{what} are a {type(values).__name__}, which is no array of numbers; give a tensor or an array (of a "
            f"DataLoader: torch.cat([{what} for images, labels in loader]))"
        ) from None


def _ids(sample_ids: ArrayLike | Tensor, count: int) -> Tensor:
    ids = sample_ids if isinstance(sample_ids, Tensor) else torch.as_tensor(np.asarray(sample_ids))
    if ids.dtype.is_floating_point or ids.dtype == torch.bool or ids.shape != (count,) or len(ids.unique()) != count:
        raise UserError(f"sample_ids must be {count} whole numbers, all different, one an image")
    return ids.detach().cpu().to(torch.int64)


def _check_classes(target: Target, samples: Samples) -> None:
    with torch.no_grad():
        batch = next(samples.subset(torch.arange(1)).batches(1, str(target.device)))
        classes = target(batch.images, batch.random("classes")).shape[1]
    low, high = int(samples.labels.min()), int(samples.labels.max())
    if low < 0 or high >= classes:
        raise UserError(
            f"labels lie between {low} and {high}, but the model has {classes} classes (0 to {classes - 1})"
        )

"""Every model of a plan built and run once before anything is trained, so that an impossible one is found at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_snn.errors import Stopped, UserError, raised
from robustbench_snn.execution.models import TrainedModels
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.execution.standing import CellStanding
from robustbench_snn.kernels.compiling import using
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.plan.cells import EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.spec.entry import ClassifierEntry, PluginEntry
from robustbench_snn.store.store import Store
from robustbench_snn.training import check_trainable, resolve_recipe

_IMAGES = 2


def check_models(plan: Plan, standings: Sequence[CellStanding], store: Store, settings: RunSettings) -> None:
    """Builds every model that has cells left, with its weights file if it has one, and gives it two images.

    A plug-in's model is built even if nothing of it is left: no key tells whether its
    weights were replaced since.

    Args:
        plan: the cells.
        standings: where they stand; models whose cells are all done are not tried, but those of plug-ins.
        store: of the records.
        settings: device, and whether what is done is computed again.

    Raises:
        UserError: naming all models that cannot be built, trained or run, or have other weights than are recorded,
            each with the reason.
    """
    trials: dict[str, TrainCell] = {}
    recorded: set[TrainCell] = set()
    for one in standings:
        train = one.cell.train if isinstance(one.cell, EvaluateCell) else one.cell
        foreign = isinstance(train.model, PluginEntry)
        if settings.fresh or one.state != "done" or foreign:
            trials.setdefault(train.model.name, train)
        if foreign and one.cell is train and one.state == "done" and not settings.fresh:
            recorded.add(train)
    models = TrainedModels(plan, store, settings)
    tried = {name: _reason(plan, cell, models, settings.device, cell in recorded) for name, cell in trials.items()}
    if lines := [f"  {name}: {reason}" for name, reason in tried.items() if reason is not None]:
        what = "1 model" if len(lines) == 1 else f"{len(lines)} models"
        raise UserError(
            f"{what} cannot run, so nothing was computed; mend what is wrong, or take them out of the suite:\n"
            + "\n".join(lines)
        )


def _reason(plan: Plan, cell: TrainCell, models: TrainedModels, device: str, recorded: bool) -> str | None:
    devices = [device] if torch.device(device).type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices), using("off"):  # two images are not worth compiling for
            _try(plan, cell, models, device, recorded)
    except UserError as error:
        return str(error)
    except (KeyboardInterrupt, Stopped):
        raise
    except BaseException as error:  # a plug-in may even call sys.exit
        return raised(error)
    return None


def _try(plan: Plan, cell: TrainCell, models: TrainedModels, device: str, recorded: bool) -> None:
    target = models.untrained(cell)
    if recorded:
        models.check_weights(target.model, cell)
    dataset, entry = plan.dataset, cell.model
    if isinstance(entry, ClassifierEntry) and entry.weights is None:
        check_trainable(dataset, resolve_recipe(entry.recipe), device)
    count = _IMAGES + (entry.timesteps == _IMAGES)  # T and B are to be told apart
    images = dataset.test.images(torch.arange(min(count, len(dataset.test)))).to(device)
    # A classifier directly: a target pads the batch, for numbers that nobody asks for here.
    run = target.model if isinstance(target.model, Classifier) else target
    with torch.no_grad(), target.frozen(), _checked(target.model, len(images)) as given:
        classes = run(images).shape[1]
        if isinstance(run, Classifier) and not target.stochastic:
            before = tuple(given)
            run(images)
            _check_rests(before, given[len(before) :])
    if classes < dataset.classes:
        raise UserError(f"it names {classes} classes, {dataset.name} has {dataset.classes}")


def _check_rests(before: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    """The parts of a classifier give the same a second time, but for what a GPU may round otherwise."""
    for part, first, second in zip(("encoder", "backbone"), before, after, strict=True):
        if not torch.allclose(first, second, rtol=1e-3, atol=1e-5, equal_nan=True):
            raise UserError(
                f"its {part} gives something else for the same images a second time: it keeps something from one "
                "forward pass to the next, such as membranes of hand-written neurons, and has to start each from rest"
            )


@contextmanager
def _checked(model: nn.Module, count: int) -> Iterator[list[Tensor]]:
    """Checks what a model of a plug-in, or the parts of a classifier, make of so many images, and keeps it.

    Raises:
        UserError: naming what is wanted and what was returned.
    """
    wanted: dict[nn.Module, tuple[str, tuple[int, ...], int]] = {}
    if isinstance(model, Classifier):
        begins = (model.timesteps, count)
        wanted[model.encoder] = (f"spikes (T, B, C, H, W) with T, B = {begins}", begins, 5)
        wanted[model.backbone] = (f"logits of every step (T, B, K) with T, B = {begins}", begins, 3)
    else:  # how many dimensions and samples is for the target to judge, which pads the batch and runs raw nets
        wanted[model] = ("logits (B, K), a tensor of real numbers", (), 0)

    def check(module: nn.Module, given: tuple[Any, ...], found: object) -> None:
        words, begins, dimensions = wanted[module]
        got = type(found).__name__
        if isinstance(found, Tensor):
            fits = found.shape[: len(begins)] == begins and dimensions in (0, found.ndim)
            if fits and found.is_floating_point():
                answers.append(found)
                return
            got = f"{str(found.dtype).removeprefix('torch.')} {tuple(found.shape)}"
        raise UserError(f"{type(module).__name__} must return {words}; it returned {got}")

    answers: list[Tensor] = []
    hooks = [module.register_forward_hook(check) for module in wanted]
    try:
        yield answers
    finally:
        for hook in hooks:
            hook.remove()

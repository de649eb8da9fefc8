"""Running a model of any making: at rest before every pass, for a stated number of steps, with known draws."""

from __future__ import annotations

import random as python_random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

import numpy as np
import torch
from spikingjelly.activation_based.base import StepModule
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.leftovers import rows_apart
from robustbench_snn.model.neurons import reset as reset_spikingjelly
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.resting import Reset, RestingState
from robustbench_snn.randomness import SampleRandom, key_of

TOLERANCE = 1e-4
"""Differences between two passes on a GPU that atomic additions explain, as a share of the largest logit."""

_rest: WeakKeyDictionary[nn.Module, RestingState] = WeakKeyDictionary()
_examined: WeakKeyDictionary[nn.Module, set[tuple[bool, int | None]]] = WeakKeyDictionary()


class Foreign:
    """A module (B, C, H, W) -> (B, K) that this package has not built.

    Args:
        model: the module.
        stochastic: whether two passes may differ.
        timesteps: T, for a raw net of SpikingJelly layers that runs one step a call (step mode s) or takes
            (T, B, C, H, W) (step mode m); the logits of its steps are averaged. None for a model that is called once.
        reset: puts the model at rest, where no probe can find what it keeps.
    """

    def __init__(self, model: nn.Module, *, stochastic: bool, timesteps: int | None, reset: Reset | None) -> None:
        self.model = model
        self.stochastic = stochastic
        self.timesteps = timesteps
        self.reset = reset

    def __call__(self, images: Tensor, random: SampleRandom | None, timesteps: int | None = None) -> Tensor:
        """Logits (B, K), from membranes at rest, which they are left in.

        A stochastic model is run one sample at a time, its generators seeded by the sample's stream, so that its
        numbers do not depend on the batch.

        Raises:
            UserError: if the model keeps what no probe finds, draws undeclared random numbers, fires for a single
                step, or has no number of steps to change.
        """
        if timesteps is not None and self.timesteps is None:
            raise UserError(f"{type(self.model).__name__} is not a Classifier: its timesteps cannot be set from here")
        if not self.model.training:
            self._examine(images[:8])
        steps = timesteps or self.timesteps
        if not (self.stochastic and random is not None):
            return self._from_rest(images, steps)
        rows = []
        with _own_draws(images.device):
            for row in range(len(images)):
                _seed(key_of(int(random.keys[row])))
                rows.append(self._from_rest(images[row : row + 1], steps))
        return rows[0] if len(rows) == 1 else torch.cat(rows)  # an estimator follows a single row to its exit

    def _from_rest(self, images: Tensor, steps: int | None) -> Tensor:
        self._rest()
        try:
            return self._steps(images, steps)
        finally:
            self._rest()  # a module that keeps its membranes must not leak them to its other users

    def _rest(self) -> None:
        reset_spikingjelly(self.model)
        if self.model in _rest:
            _rest[self.model].restore()
        if self.reset is not None:
            self.reset(self.model)

    def _steps(self, images: Tensor, steps: int | None) -> Tensor:
        if steps is None:
            return self._answer(images)
        if any(
            isinstance(part, StepModule) and getattr(part, "step_mode", "m") == "m" for part in self.model.modules()
        ):
            return self._answer(images.expand(steps, *images.shape).contiguous()).mean(0)
        return torch.stack([self._answer(images) for _ in range(steps)]).mean(0)

    def _answer(self, images: Tensor) -> Tensor:
        found = self.model(images)
        if not isinstance(found, Tensor):
            raise no_logits(self.model, found, len(images))
        return found

    def _examine(self, images: Tensor) -> None:
        """On the first images: finds what is kept, and whether two passes agree."""
        known = _examined.setdefault(self.model, set())
        if (self.stochastic, self.timesteps) in known:
            return
        with torch.no_grad(), _own_draws(images.device):
            few = images[: rows_apart(self.model, len(images))]
            with self._counted() as calls:

                def run() -> Tensor:
                    calls.clear()
                    _seed(0)
                    return self._steps(few, self.timesteps)

                rest = RestingState.find(self.model, run, self.reset)
            self._check_steps(calls)
            _rest.setdefault(self.model, rest)
            if not self.stochastic:
                self._check_repeats(images)
        known.add((self.stochastic, self.timesteps))

    @contextmanager
    def _counted(self) -> Iterator[Counter[nn.Module]]:
        """How often each neuron in step mode s is called while inside."""
        calls: Counter[nn.Module] = Counter()
        with ExitStack() as hooks:
            for neuron in spiking_neurons(self.model):
                if getattr(neuron, "step_mode", None) == "s":
                    hooks.callback(neuron.register_forward_hook(lambda one, *_: calls.update([one])).remove)
            yield calls

    def _check_steps(self, calls: Counter[nn.Module]) -> None:
        if calls and self.timesteps is None and max(calls.values()) == 1:
            raise UserError(
                f"{type(self.model).__name__} runs its neurons for a single step in each call: state how many steps it "
                "is to be run for, timesteps=T (its logits are averaged), or loop over the steps in its forward"
            )

    def _check_repeats(self, images: Tensor) -> None:
        """Two passes give the same logits, whatever the random generators say."""
        first, second = (self._from_rest(images, self.timesteps).nan_to_num() for _ in range(2))
        if _agree(first, second):
            return
        seeded = []
        for _ in range(2):
            _seed(0)
            seeded.append(self._from_rest(images, self.timesteps).nan_to_num())
        name, gap = type(self.model).__name__, float((first - second).abs().max())
        if _agree(*seeded):
            raise UserError(
                f"{name} draws random numbers: its logits for the same images differ by up to {gap:.3g}. Declare it "
                "stochastic (stochastic=True), and it is judged over many draws"
            )
        raise UserError(
            f"{name} gives other logits for the same images a second time, by up to {gap:.3g}, and what it keeps from "
            "one forward pass to the next was not found: pass a function that puts it at rest, reset=lambda model: ..."
        )


def no_logits(model: nn.Module, found: object, count: int) -> UserError:
    """What to say of an answer to so many images that is no tensor of logits (B, K)."""
    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    return UserError(
        f"{type(model).__name__} returned {shape} for {count} images; a model must return logits (B, K): average over "
        "timesteps inside it, or, for a raw SpikingJelly net, state timesteps=T"
    )


def _agree(first: Tensor, second: Tensor) -> bool:
    if torch.equal(first, second):
        return True
    return first.is_cuda and bool((first - second).abs().max() <= TOLERANCE * first.abs().max().clamp_min(1e-30))


@contextmanager
def _own_draws(device: torch.device) -> Iterator[None]:
    """Leaves the random generators of torch, NumPy and Python as they were."""
    state, numpy_state = python_random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        python_random.setstate(state)
        np.random.set_state(numpy_state)


def _seed(key: int) -> None:
    torch.manual_seed(key & (2**63 - 1))
    np.random.seed(key & (2**32 - 1))
    python_random.seed(key)

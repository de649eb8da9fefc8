"""A model as evaluations and attacks see it: images in, logits out, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from threading import RLock
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from robustbench_snn.errors import UserError
from robustbench_snn.model.checkpointing import recomputing
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.foreign import Foreign, no_logits
from robustbench_snn.model.fusing import fusing
from robustbench_snn.model.neurons import spiking_neurons
from robustbench_snn.model.padding import pad_batch
from robustbench_snn.model.resting import Reset
from robustbench_snn.randomness import SampleRandom


class Through(IntEnum):
    """What estimators do where a model cuts its gradient off: detach, no_grad, hooks."""

    NO = 0
    """They stop there."""
    VALUES = 1
    """They pass through, but leave detached what is 0 or 1 everywhere: spikes that reset a membrane."""
    ALL = 2
    """They pass through everything."""


_locks: WeakKeyDictionary[nn.Module, RLock] = WeakKeyDictionary()
_locks_lock = RLock()


def lock_of(model: nn.Module) -> RLock:
    """The lock that threads take before they run a model or swap its parts: its membranes are shared."""
    with _locks_lock:
        return _locks.setdefault(model, RLock())


@dataclass
class Tally:
    """Counts answers that are not finite, without waiting for the device.

    Attributes:
        non_finite: how many rows of logits so far.
    """

    non_finite: Tensor | int = 0

    def counted(self, logits: Tensor) -> Tensor:
        """The same logits (B, K)."""
        self.non_finite = self.non_finite + (~logits.detach().isfinite()).any(1).sum()
        return logits


class Target:
    """Wraps a classifier of ours, or any torch module from images in [0, 1] to logits.

    Every call starts from membranes at rest, in eval mode, and gives numbers that do not depend on how samples
    were batched (see :mod:`robustbench_snn.model.padding`). Weights are meant to be frozen: see :meth:`frozen`.

    Args:
        model: a :class:`Classifier`, or a module (B, C, H, W) -> (B, K) of any making; see
            :class:`robustbench_snn.model.foreign.Foreign`.
        stochastic: whether two forwards may differ; asked of a classifier, False for other models unless said.
        checkpointing: run parts of the model again in the backward pass, to save memory; never changes a number. Left
            alone while an estimator reaches beyond SpikingJelly's neurons.
        timesteps: T, for a raw net of SpikingJelly layers.
        reset: puts a model of another making at rest, where no probe can find what it keeps.

    Attributes:
        through: whether estimators pass the gradient through what cuts it.
        running_batch: samples of the latest call, padding included.
        calls: how often it was called; a call may run the model for several steps.
        exit: maps an answer to the last finite layer before its rounding or squashing, while an estimator knows it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        stochastic: bool | None = None,
        checkpointing: bool = False,
        timesteps: int | None = None,
        reset: Reset | None = None,
    ) -> None:
        self.model = model
        self.checkpointing = checkpointing
        ours = isinstance(model, Classifier)
        self.stochastic: bool = stochastic if stochastic is not None else bool(ours and model.stochastic)
        self.timesteps: int | None = model.timesteps if isinstance(model, Classifier) else timesteps
        self._foreign = Foreign(model, stochastic=self.stochastic, timesteps=timesteps, reset=reset)
        self.through = Through.NO
        self.running_batch = 0
        self.calls = 0
        self.exit: Callable[[Tensor], Tensor] | None = None
        self._tally = Tally()
        self._fused = True

    @property
    def neurons(self) -> list[nn.Module]:
        """The spiking neuron layers; empty for an ANN."""
        return spiking_neurons(self.model)

    @property
    def non_finite(self) -> int:
        """How many answers so far held a logit that is not finite."""
        return int(self._tally.non_finite)

    def count_non_finite(self, answers: int) -> None:
        """Counts answers that the model gave in an earlier run."""
        self._tally.non_finite = self._tally.non_finite + answers

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next((p.device for p in self.model.parameters()), torch.device("cpu"))

    def __call__(self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1].

        Args:
            images: the batch.
            random: one stream a sample, for stochastic models.
            timesteps: T, for classifiers of ours and raw nets.

        Raises:
            UserError: if the model does not return logits (B, K), or cannot be run at another T.
        """
        padded, streams = pad_batch(images, random)
        self.running_batch = len(padded)
        self.calls += 1
        with self._running():
            if isinstance(self.model, Classifier):
                logits: Tensor = self.model(padded, timesteps=timesteps, random=streams)
            else:
                logits = self._foreign(*self._unpadded(images, padded, random, streams), timesteps)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) not in (len(images), len(padded)):
            raise no_logits(self.model, logits, len(padded))
        return self._tally.counted(logits[: len(images)])

    def alone(self, image: Tensor, random: SampleRandom) -> Tensor:
        """Logits (1, K) of one image (1, C, H, W), with no copies beside it and nothing tallied, for whoever counts.

        Args:
            image: in [0, 1].
            random: its stream.
        """
        if isinstance(self.model, Classifier):
            logits: Tensor = self.model(image, random=random)
            return logits
        return self._foreign(image, random)

    def of(self, model: nn.Module) -> Target:
        """A variant of the model, to be run as the model itself is."""
        return Target(
            model,
            stochastic=self.stochastic,
            checkpointing=self.checkpointing,
            timesteps=self._foreign.timesteps,
            reset=self._foreign.reset,
        )

    @property
    def one_at_a_time(self) -> bool:
        """Whether samples are run one by one: a stochastic model of another making draws as it likes."""
        return self.stochastic and not isinstance(self.model, Classifier)

    def _unpadded(
        self, images: Tensor, padded: Tensor, random: SampleRandom | None, streams: SampleRandom | None
    ) -> tuple[Tensor, SampleRandom | None]:
        if not (self.one_at_a_time and random is not None):
            return padded, streams
        self.running_batch = 1
        return images, random

    def loss_logits(self, logits: Tensor) -> Tensor:
        """What a loss shall differentiate in place of an answer (B, K) just given."""
        return logits if self.exit is None else self.exit(logits)

    def step_logits(
        self, images: Tensor, random: SampleRandom | None = None, *, timesteps: int | None = None
    ) -> Tensor:
        """Logits of every step (T, B, K), for classifiers of ours.

        Raises:
            UserError: for other models, which give no logits by step.
        """
        if not isinstance(self.model, Classifier):
            raise UserError(f"{type(self.model).__name__} is not a Classifier and gives no logits by step")
        padded, streams = pad_batch(images, random)
        self.running_batch = len(padded)
        self.calls += 1
        with self._running():
            return self.model.step_logits(padded, timesteps=timesteps, random=streams)[:, : len(images)]

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """Neurons run SpikingJelly's own code while inside, for whoever looks into them."""
        before, self._fused = self._fused, False
        try:
            yield
        finally:
            self._fused = before

    @contextmanager
    def _running(self) -> Iterator[None]:
        fused = self._fused and self.through == Through.NO  # a kernel has no detach to pass through
        with lock_of(self.model), fusing(self.model, fused):
            # An estimator that reaches into plain operations sees a forward pass, and not its parts run again.
            if self.checkpointing and self.exit is None and torch.is_grad_enabled():
                with recomputing(self.model, lambda part: fusing(part, fused)):
                    yield
            else:
                yield

    @contextmanager
    def frozen(self) -> Iterator[Target]:
        """Eval mode and no gradients for the weights while inside; both restored, even on error."""
        training = {module: module.training for module in self.model.modules()}
        trainable = [p for p in self.model.parameters() if p.requires_grad]
        self.model.eval()
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            yield self
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)
            for module, mode in training.items():
                module.training = mode

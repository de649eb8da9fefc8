"""The processes of one training: which share of a batch is whose, and what they tell each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from robustbench_snn.randomness import Share
from robustbench_snn.training.synchronised import synchronise


@dataclass(frozen=True)
class Ranks:
    """This process among those that train a model together; by itself, all of them.

    Attributes:
        rank: counts from 0; the first writes checkpoints and reports.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    def share(self, size: int, *, mirrored: bool) -> Share | None:
        """The samples of a batch that are computed here; None for one process, which computes all.

        Args:
            size: of the batch, a multiple of :attr:`count` (of twice that, if mirrored).
            mirrored: keep sample i together with sample size - 1 - i, which it is mixed with.
        """
        if self.count == 1:
            return None
        places = torch.arange(size)
        owners = torch.minimum(places, size - 1 - places) if mirrored else places
        return Share(places[owners % self.count == self.rank], size)

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def agree(self, digest: str) -> bool:
        """Whether a digest, in hexadecimal, is the same in all processes."""
        if self.count == 1:
            return True
        number = torch.tensor([int(digest[:12], 16)])
        lowest = number.to(_device())
        highest = lowest.clone()
        dist.all_reduce(lowest, dist.ReduceOp.MIN)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
        return bool(lowest == highest)

    def stepper(self, model: nn.Module, loss: Callable[..., Any]) -> Stepper:
        """What computes losses whose gradients are those of the whole batch, see :class:`Stepper`."""
        return Stepper(model, loss, self)


ALONE = Ranks()


class Stepper:
    """Losses of a model, whose backward pass leaves in each process the gradient of the mean over all shares.

    In several processes the batch norms of the model take their statistics over all shares from now on.

    Args:
        model: its parameters get the gradients.
        loss: takes the model, then what a call passes on.
        ranks: the processes.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Any], ranks: Ranks) -> None:
        self._run: nn.Module = _Loss(model, loss)
        if ranks.count > 1:
            synchronise(model)
            # Buffers are the same everywhere already. Parameters out of a loss's reach are to stay without gradient.
            self._run = DistributedDataParallel(self._run, broadcast_buffers=False, find_unused_parameters=True)

    def __call__(self, *inputs: Tensor) -> Any:
        """What ``loss`` returns."""
        return self._run(*inputs)

    @contextmanager
    def summing(self, last: bool) -> Iterator[None]:
        """A forward and backward pass of one part of a batch; gradients are exchanged after the last part alone."""
        if last or not isinstance(self._run, DistributedDataParallel):
            yield
            return
        with self._run.no_sync():
            yield


class _Loss(nn.Module):
    """A loss as a module, whose forward pass is all that DistributedDataParallel has to see."""

    def __init__(self, model: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, *inputs: Tensor) -> Any:
        return self.loss(self.model, *inputs)


def _device() -> torch.device:
    """Where tensors must be to be exchanged."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")

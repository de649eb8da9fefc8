"""The long steps of an evaluation, which a killed run need not take again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """What one step found.

    Attributes:
        tensors: by name.
        facts: what JSON can hold.
        seconds: wall time that it took.
    """

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    seconds: float


class Journal:
    """The steps of one run of an evaluation, in an order that is the same in every run; this one keeps none of them."""

    def again(self) -> Journal:
        """The journal of a run of the same evaluation from its beginning."""
        return self

    def step(self, before: Callable[[], str], compute: Callable[[], Step]) -> Step:
        """The next step: what was kept of it, else what is computed now.

        Args:
            before: a digest of all that the step follows from; what was kept under another one is computed again.
            compute: takes the step.
        """
        return compute()

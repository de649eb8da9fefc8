"""Brings the keys of a file and of a model together, and says what is left over on either side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class WeightReport:
    """How the keys of a file and of our model meet.

    Attributes:
        mapped: keys of our classifier that the file gives.
        missing: keys of our classifier that the file does not give.
        unexpected: keys of the file that have no place in our classifier.
        unused: keys of the file whose layers the authors' code never calls; left out on purpose.
        mismatched: a sentence for each key whose shape differs.
    """

    mapped: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    unused: tuple[str, ...]
    mismatched: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every key has found its place."""
        return not (self.missing or self.unexpected or self.mismatched)

    def explain(self) -> str:
        """What is left over, key by key; empty if nothing is."""
        parts = {"shapes differ": self.mismatched, "missing": self.missing, "left over": self.unexpected}
        return "; ".join(f"{title}: {', '.join(keys)}" for title, keys in parts.items() if keys)


def match_state(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    names: Mapping[str, str] | None = None,
    unused: str | None = None,
) -> tuple[dict[str, Tensor], WeightReport]:
    """Puts a file's tensors in a model's places.

    Args:
        state: the file's tensors.
        wanted: the model's ``state_dict()``.
        names: layers of the file to layers of the model; None if they have the same names.
        unused: regular expression of keys to leave out.

    Returns:
        The model's tensors, its own where the file gives none, and the report.
    """
    placed: dict[str, Tensor] = {}
    unexpected: list[str] = []
    idle: list[str] = []
    mismatched: dict[str, str] = {}
    for key, tensor in state.items():
        layer, _, leaf = key.rpartition(".")
        ours = key if names is None else f"{names.get(layer)}.{leaf}"
        if unused and re.match(unused, key):
            idle.append(key)
        elif ours not in wanted or ours in placed:
            unexpected.append(key)
        elif _bare(tensor) != _bare(wanted[ours]):
            mismatched[ours] = f"{key} is {tuple(tensor.shape)}, the model has {tuple(wanted[ours].shape)}"
        else:
            placed[ours] = tensor.reshape(wanted[ours].shape)
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}  # inference does not read them
    missing = tuple(key for key in wanted if key not in placed.keys() | mismatched.keys() | counters)
    report = WeightReport(tuple(placed), missing, tuple(unexpected), tuple(idle), tuple(mismatched.values()))
    return {**wanted, **placed}, report


def _bare(tensor: Tensor) -> tuple[int, ...]:
    """The shape without trailing ones: a 1x1 convolution's kernel is a linear layer's matrix."""
    shape = list(tensor.shape)
    while shape and shape[-1] == 1:
        shape.pop()
    return tuple(shape)

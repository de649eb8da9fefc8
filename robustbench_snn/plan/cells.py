"""Cells, the units of work: train one model, or run one evaluation on one trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from robustbench_snn.registry import evaluations
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.spec.entry import Entry

if TYPE_CHECKING:
    from robustbench_snn.evaluation.contract import Evaluation


@dataclass(frozen=True, eq=False)  # a cell is itself alone: looked up by identity, whatever its mappings hold
class TrainCell:
    """Train one model with one seed, or take the weights that come with it.

    Attributes:
        model: what is trained.
        seed: training seed.
        identity: everything that can change the weights.
    """

    model: Entry
    seed: int
    identity: Mapping[str, Any]

    @property
    def title(self) -> str:
        """For progress and messages."""
        return f"train {self.model.name}, seed {self.seed}"

    @property
    def peer_name(self) -> str:
        """By which evaluations of the suite's other models know it: ``model@seed``."""
        return f"{self.model.name}@{self.seed}"


@dataclass(frozen=True, eq=False)
class EvaluateCell:
    """Run one evaluation, or one part of it, on one trained model.

    Attributes:
        train: the model.
        entry: index of the evaluation that this belongs to, in the suite's list.
        component: the evaluation with this part's parameters.
        identity: everything that can change the result, but for the weights.
        part: index of this part among those of the evaluation.
        detail: the values of the parameters that set this part apart from the others; empty for the only part.
        needs_peers: whether the suite's other models must be trained first.
    """

    train: TrainCell
    entry: int
    component: ComponentSpec
    identity: Mapping[str, Any]
    part: int = 0
    detail: str = ""
    needs_peers: bool = False

    def evaluation(self) -> Evaluation:
        """A new instance of the evaluation."""
        found: Evaluation = evaluations.create(self.component.name, **self.component.parameters)
        return found

    @property
    def title(self) -> str:
        """For progress and messages."""
        return f"{self.component.title} {self.detail}".strip() + f" on {self.train.model.name}, seed {self.train.seed}"


Cell = TrainCell | EvaluateCell
"""What an executor computes, and what leaves one record."""

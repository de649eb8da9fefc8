"""Accuracy on event data under corruptions of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from robustbench_snn.corruption.contract import SEVERITIES
from robustbench_snn.corruption.event_contract import ALL, ON_FRAMES
from robustbench_snn.corruption.event_samples import CorruptedEvents
from robustbench_snn.corruption.outcome import corruption_outcome
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.parameters import Count
from robustbench_snn.registry import event_corruptions
from robustbench_snn.suites._by_type import Severity, cells_by_type, names_of, scores_of_all, shares_by_type
from robustbench_snn.timesteps.sweep import as_trained

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

SETS: Mapping[str, Sequence[str]] = {"all": ALL, "frames": ON_FRAMES}


@register_evaluation("event_corruptions", version=1, takes="events")
class EventCorruptions(Evaluation):
    """Accuracy on event data under faults of the sensor, of transmission, of time and of place.

    Each type is a cell of its own. ``accuracy`` is the mean over types and severities; ``correct`` is, for each
    sample, the share of them that were right. The types' parameters are this project's choice: no published benchmark
    fixes them. docs/event-corruptions.md has them all.

    Args:
        types: names, or ``all`` (the thirteen that ship), or ``frames`` (the five that need no raw events).
        severities: 1 to 5.
        clean: measure the clean accuracy too, which rPC needs; only the first type's cell does.
        draws: forward passes of a stochastic model.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "rpc": "rPC %",
        "worst_type_error": "worst type's error %",
    }

    types: Annotated[list[str], Field(min_length=1)] | Literal["all", "frames"] = "all"
    severities: Annotated[list[Severity], Field(min_length=1)] = field(default_factory=lambda: list(SEVERITIES))
    clean: bool = True
    draws: Count = 5

    def __post_init__(self) -> None:
        self.names = names_of(self.types, SETS, event_corruptions)
        self.severities = sorted(set(self.severities))

    def components(self) -> Iterable[tuple[str, str]]:
        """See :meth:`Evaluation.components`."""
        return [*super().components(), *(("event_corruptions", name) for name in self.names)]

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """One cell a type."""
        return cells_by_type(parameters, names_of(parameters.get("types", "all"), SETS, event_corruptions))

    @classmethod
    def combine(cls, parts: Sequence[Record]) -> Mapping[str, float]:
        """All scores over all types of one model."""
        return scores_of_all(parts)

    def run(self, subject: Subject) -> Outcome:
        """Corrupts and judges batch by batch; types that these samples cannot have are refused before."""
        samples, sweep = subject.samples, as_trained(subject.target)
        try:
            raw = {name: CorruptedEvents(samples, name, self.severities[0], subject.seed).raw for name in self.names}
        except UserError as error:
            raise UserError(f"{error}; types: frames are those that need no raw events") from None
        sets = {
            (name, severity): partial(CorruptedEvents, samples, name, severity, subject.seed)
            for name, severity in product(self.names, self.severities)
        }
        shares, clean = shares_by_type(subject, sets, sweep, clean=self.clean, draws=self.draws)
        rows = {pair: share[0] for pair, share in shares.items()}
        outcome = corruption_outcome(rows, clean, None, source="generated", under="clean")
        on = {name: "events" if needed else "frames" for name, needed in raw.items()}
        return replace(outcome, details={**outcome.details, "on": on})

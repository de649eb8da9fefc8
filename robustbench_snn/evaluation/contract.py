"""What every evaluation shares: its contract, what it is given, what it leaves."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from robustbench_snn.columns import Column
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.journal import Journal
from robustbench_snn.model.target import Target
from robustbench_snn.parameters import Parameterized
from robustbench_snn.registry import evaluations
from robustbench_snn.registry.spec import named_in
from robustbench_snn.registry.traits import Takes

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

V_ = TypeVar("V_", bound="type[Evaluation]")


@dataclass(frozen=True)
class Subject:
    """One trained model, and the samples it is to be evaluated on.

    Attributes:
        target: the model.
        samples: the evaluation samples.
        seed: every random number of the evaluation follows from it and the sample ids.
        batch_size: how many samples at once; never changes a number.
        device: where to compute.
        progress: called with (samples done, samples in all) now and then.
        peers: the suite's other models by name and seed, ``model@seed``, loaded when called: for transfer attacks.
        name: of the model itself, as its peers know it; empty outside a suite.
        journal: takes the long steps, and may know what they find from a run that was killed.
    """

    target: Target
    samples: Samples
    seed: int = 0
    batch_size: int = 128
    device: str = "cpu"
    progress: Callable[[int, int], None] = lambda done, total: None
    peers: Mapping[str, Callable[[], Target]] = field(default_factory=dict)
    name: str = ""
    journal: Journal = field(default_factory=Journal)


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found.

    Attributes:
        metrics: the headline numbers by name, shares in [0, 1]; ``accuracy`` is the one a table shows.
        columns: one value a sample, in the order of the samples; ``correct`` (bool) goes with ``accuracy``.
        details: anything else that JSON can hold: curves, breakdowns, where an attack stopped.
        flags: names of the checks that failed; ``rbsnn explain FLAG`` says what each means.
        arrays: larger arrays, one row a sample, that pictures need: adversarial images, for one.
        comparable: False for protocols that a table must set apart (``stf_paper``).
    """

    metrics: Mapping[str, float]
    columns: Mapping[str, Column] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    flags: Sequence[str] = ()
    arrays: Mapping[str, Column] = field(default_factory=dict)
    comparable: bool = True


class Evaluation(Parameterized, ABC):
    """Base class of all evaluations; the annotated fields of a subclass are its YAML parameters."""

    table_metrics: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Metrics besides ``accuracy`` that a table shows: heading by metric. A heading ending in % shows a share."""

    flags: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Flags of its own that an evaluation of a plug-in raises, and what each means: ``rbsnn explain FLAG --plugin``."""

    places: ClassVar[frozenset[str]] = frozenset()
    """Parameters that only say where files are; in the key :meth:`content` stands for them."""

    borrows_ball: ClassVar[bool] = False
    """Whether an entry may leave out ``eps``, and takes that of an attack beside it then, with its norm."""

    @property
    def needs_peers(self) -> bool:
        """Whether the suite's other models must be trained first, with the parameters given."""
        return False

    def uses(self, peer: str) -> bool:
        """Whether the result depends on the other model of this name; asked where :attr:`needs_peers`."""
        return True

    def components(self) -> Iterable[tuple[str, str]]:
        """Kind and name of the components, besides the model's, whose code changes the result.

        Their versions, and the source of those from outside, are part of the key. Those that a parameter names are
        found; an evaluation that runs others by itself adds them: ``("attacks", "pgd")``.
        """
        return named_in([getattr(self, field.name) for field in dataclasses.fields(self)])

    def content(self) -> Mapping[str, str]:
        """sha256, by name, of files outside of dataset and weights that the result depends on; part of the key."""
        return {}

    @classmethod
    def repeats(cls, parameters: Mapping[str, Any]) -> str | None:
        """Names the evaluation whose ``accuracy`` this one's is, with these parameters; a table shows it only once."""
        return None

    @classmethod
    def split(cls, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Cuts one YAML entry into cells that can be computed, stored and resumed apart; one cell by default."""
        return [parameters]

    @classmethod
    def combine(cls, parts: Sequence[Record]) -> Mapping[str, float]:
        """Joins the metrics of the cells that :meth:`split` made, of one model; their means unless overridden."""
        shared = set.intersection(*(set(part.metrics) for part in parts))
        return {name: float(np.mean([part.metrics[name] for part in parts])) for name in sorted(shared)}

    @abstractmethod
    def run(self, subject: Subject) -> Outcome:
        """Evaluates one model."""


def register_evaluation(
    name: str, *, version: int, presets: Mapping[str, Mapping[str, Any]] | None = None, takes: Takes = "images"
) -> Callable[[V_], V_]:
    """Puts an evaluation class under ``name``, for the kind of data that it ``takes``; literals only.

    Raises:
        UserError: if it has a parameter ``label`` or ``limit``, which any evaluation of a suite takes.
    """
    register = evaluations.register(name, version=version, presets=presets, takes=takes)

    def checked(evaluation: V_) -> V_:
        fields = {field for base in evaluation.__mro__ for field in vars(base).get("__annotations__", {})}
        if taken := fields & {"label", "limit"}:
            raise UserError(f"{name}: call the parameter {min(taken)} otherwise; every evaluation of a suite has one")
        return register(evaluation)

    return checked


def accuracy_outcome(correct: Column, **extra: Any) -> Outcome:
    """An outcome whose accuracy is the share of correct samples."""
    return Outcome(
        metrics={"accuracy": float(np.mean(correct))} | extra.pop("metrics", {}),
        columns={"correct": correct} | extra.pop("columns", {}),
        **extra,
    )

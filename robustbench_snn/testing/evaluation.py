"""What every evaluation must satisfy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject
from robustbench_snn.evaluation.flags import known_flags
from robustbench_snn.model.target import Target
from robustbench_snn.registry import evaluations
from robustbench_snn.testing.models import kinds_of_data, make_task
from robustbench_snn.testing.results import CheckResult, check_component, require
from robustbench_snn.testing.subject import samples_for, small_target, untouched

MEASURED = frozenset({"images_per_second", "peak_memory_mb"})
"""Metrics of the machine at hand, which no two runs share."""
REQUIRED: Mapping[str, Any] = {"eps": 8 / 255}
"""What a kit fills in where an evaluation requires a parameter and none is given."""


class EvaluationConformance:
    """The checks of an evaluation; subclass it in a pytest file as ``Test...`` and name the component.

    Its first cell is run on a small model with eight samples, of which the model is right about six.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to build it with; ``eps`` is filled in where it is required.
        encoders: of the models it is run on; ``rate`` is a stochastic one. On event frames that is ``events`` alone.
        events: run it on event frames.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}
    encoders: ClassVar[Sequence[str]] = ("direct", "rate")
    events: ClassVar[bool] = False

    @property
    def models(self) -> Sequence[str]:
        """The encoders for the kind of data."""
        return ("events",) if self.events else self.encoders

    def target(self, encoder: str | None = None, *, seed: int = 0) -> Target:
        """A small model, of T = 3 and, on event frames, F = 6."""
        return small_target(
            make_task(timesteps=3, classes=5, frames=6 if self.events else None), encoder=encoder, seed=seed
        )

    def cells(self) -> list[Mapping[str, Any]]:
        """The parameters of each of its cells."""
        found = evaluations.get(self.component)
        fields = found.parameters.model_fields
        filled = {name: value for name, value in REQUIRED.items() if name in fields and fields[name].is_required()}
        return list(found.implementation.split(found.validate({**filled, **self.parameters})))

    def build(self) -> Evaluation:
        """Its first cell."""
        evaluation: Evaluation = evaluations.create(self.component, **self.cells()[0])
        return evaluation

    def run(
        self, target: Target | None = None, samples: Samples | None = None, *, batch_size: int = 8, seed: int = 0
    ) -> Outcome:
        """One run of the first cell."""
        target = target or self.target()
        samples = samples or samples_for(target, wrong=2)
        peers = {"other@0": lambda: self.target(seed=1)}
        subject = Subject(target, samples, seed=seed, batch_size=batch_size, peers=peers, name="this@0")
        return self.build().run(subject)

    def test_splits_into_cells_of_its_own(self) -> None:
        """What :meth:`Evaluation.split` makes of its parameters, the evaluation itself accepts."""
        cells = self.cells()
        require(cells, "split() gave no cell")
        for cell in cells:
            evaluations.create(self.component, **cell)

    def test_accuracy_is_the_mean_of_correct(self) -> None:
        """Paired tests use the column ``correct``: it must be what ``accuracy`` is made of."""
        for encoder in self.models:
            outcome = self.run(self.target(encoder))
            require(outcome.metrics or outcome.columns, "leaves neither metrics nor columns")
            if "accuracy" not in outcome.metrics:
                require("correct" not in outcome.columns, "has a column 'correct' and no metric 'accuracy'")
                continue
            require("correct" in outcome.columns, "has a metric 'accuracy' and no column 'correct'")
            mean = float(np.mean(outcome.columns["correct"], dtype=np.float64))
            accuracy = outcome.metrics["accuracy"]
            require(abs(mean - accuracy) < 1e-6, f"accuracy is {accuracy:.6f}, the mean of 'correct' {mean:.6f}")

    def test_one_row_a_sample(self) -> None:
        """Every column has one value for each sample, and none of another kind than a number or a truth value."""
        outcome = self.run()
        for name, column in outcome.columns.items():
            shape = np.shape(column)
            require(shape == (8,), f"column '{name}' has the shape {shape} for 8 samples")
            require(np.asarray(column).dtype.kind in "biuf", f"column '{name}' holds {np.asarray(column).dtype}")
        for name, rows in outcome.arrays.items():
            require(len(rows) <= 8, f"array '{name}' has {len(rows)} rows for 8 samples")

    def test_values_in_range(self) -> None:
        """Metrics are finite, accuracies and shares of right answers are in [0, 1], details are plain JSON."""
        outcome = self.run()
        for name, value in outcome.metrics.items():
            require(
                isinstance(value, float) and np.isfinite(value), f"metric '{name}' is {value!r}, not a finite float"
            )
            last = name.rsplit("/", 1)[-1]
            if last.startswith("accuracy") or last.endswith("accuracy"):
                require(0.0 <= value <= 1.0, f"metric '{name}' is {value}, not a share in [0, 1]")
        for name, column in outcome.columns.items():
            if name.startswith("correct"):
                legal = bool(np.all((column >= 0) & (column <= 1)))
                require(legal, f"column '{name}' holds more than shares in [0, 1]")
        json.dumps(outcome.details, allow_nan=False)

    def test_flags_are_known(self) -> None:
        """``rbsnn explain FLAG`` must know what an evaluation raises."""
        unknown = [flag for flag in self.run().flags if flag not in known_flags()]
        require(not unknown, f"flags {', '.join(unknown)} are not among its ``flags``, which say what each means")

    def test_deterministic_under_a_seed(self) -> None:
        """The same model, samples and seed: the same outcome; torch's and numpy's generators are left alone."""
        for encoder in self.models:
            target = self.target(encoder)
            torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]
            first, second = (self.run(target) for _ in range(2))
            _require_same(first, second, f"two runs with the same seed (encoder {encoder})")
            untouched_rng = torch.equal(torch_state, torch.get_rng_state())
            untouched_rng &= np.random.get_state()[1].tolist() == numpy_state  # type: ignore[index]
            require(untouched_rng, "draws from a global generator; draw from batch.random(subject.seed, ...)")

    def test_independent_of_batch_size(self) -> None:
        """1, 7 or all samples at once: the same outcome."""
        for encoder in self.models:
            target = self.target(encoder)
            whole = self.run(target)
            for size in (1, 7):
                other = self.run(target, batch_size=size)
                _require_same(whole, other, f"batch sizes 8 and {size} (encoder {encoder})")

    def test_independent_of_order(self) -> None:
        """Samples in another order: columns in that order, and the same metrics but for rounding."""
        target = self.target()
        samples = samples_for(target, wrong=2)
        order = torch.tensor([6, 1, 7, 0, 3, 2, 5, 4])
        first, second = self.run(target, samples), self.run(target, samples.subset(order))
        for name, column in first.columns.items():
            same = np.allclose(column[order.numpy()], second.columns[name], rtol=1e-6, atol=1e-6)
            require(same, f"in another order of the samples, column '{name}' is not in that order")
        for name, value in _repeatable(first).items():
            other = second.metrics[name]
            same = abs(value - other) <= 1e-6 + 1e-5 * abs(value)
            require(same, f"in another order of the samples, metric '{name}' is {other}, before {value}")

    def test_leaves_the_model_alone(self) -> None:
        """Weights, modes and parts of the model, which comes in eval mode, are as before."""
        target = self.target()
        samples = samples_for(target, wrong=2)
        with untouched(target):
            self.run(target, samples)


def _repeatable(outcome: Outcome) -> dict[str, float]:
    return {name: value for name, value in outcome.metrics.items() if name not in MEASURED}


def _require_same(first: Outcome, second: Outcome, what: str) -> None:
    """Requires that two outcomes are equal, to the last bit."""
    before, after = _repeatable(first), _repeatable(second)
    different = [name for name in before | after if before.get(name) != after.get(name)]
    require(not different, f"{what} differ in metric {', '.join(different[:3])}")
    columns = first.columns.keys() | second.columns.keys()
    different = [name for name in sorted(columns) if not np.array_equal(first.columns[name], second.columns[name])]
    require(not different, f"{what} differ in column {', '.join(different[:3])}")
    require(list(first.flags) == list(second.flags), f"{what} differ in flags: {first.flags} and {second.flags}")


def check_evaluation(component: str, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`EvaluationConformance`.

    Args:
        component: a registered name.
        **parameters: YAML parameters to build it with.

    Returns:
        One result a check, in alphabetical order, for each kind of data that it declares.
    """
    takes = evaluations.declaration(component).traits.takes
    return [
        result
        for events in kinds_of_data(takes)
        for result in check_component(EvaluationConformance, "evaluation", component, parameters, events=events)
    ]

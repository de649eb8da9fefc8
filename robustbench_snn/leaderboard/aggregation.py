"""From the records of a suite to its table: parts joined, seeds kept apart for the statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.completeness import missing
from robustbench_snn.leaderboard.outcomes import Outcomes, Place, aligned
from robustbench_snn.leaderboard.table import Gap, Measure, Row, Score, Table
from robustbench_snn.leaderboard.variance import Floats
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.registry import evaluations
from robustbench_snn.reported import load_reported
from robustbench_snn.spec.entry import Entry
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

Done = Sequence[tuple[Cell, Record]]
"""Cells with their records."""


def make_table(plan: Plan, done: Done, store: Store) -> tuple[Table, Outcomes]:
    """Aggregates the records of a plan.

    Args:
        plan: the suite's plan.
        done: the plan's cells with their records, in any order.
        store: where the per-sample outcomes are.

    Returns:
        The table, and the outcomes that its accuracies are the means of.

    Raises:
        StoreError: if outcomes are of other samples than the plan's.
    """
    suite = plan.suite
    found = _Index(plan, done)
    samples = plan.dataset.test.ids.numpy()
    by_seed: dict[Place, Mapping[int, Floats]] = {}
    labels = suite.evaluation_labels
    rows = [_row(entry, labels, found) for entry in suite.entries()]
    for row in rows:
        for index, label in enumerate(labels):
            if label in row.cells and row.cells[label].accuracy is not None:
                of_seed = _by_seed([record for _, record in found.evaluated(row.model, index)])
                by_seed[row.model, label] = {
                    seed: np.mean([_outcomes(record, samples, store) for record in records], axis=0)
                    for seed, records in of_seed.items()
                }
    longest = max((len(shares) for of_seed in by_seed.values() for shares in of_seed.values()), default=0)
    outcomes = Outcomes(samples[:longest], by_seed)
    table = Table(
        name=suite.table_name,
        title=suite.table.title or suite.name,
        description=suite.description,
        suite=suite.name,
        protocol=plan.protocol,
        protocol_hash=plan.protocol_hash,
        dataset=plan.dataset.name,
        dataset_title=suite.table.dataset_title,
        samples=len(samples),
        columns=tuple(labels),
        repeats=_repeats(suite),
        measures=_measures(suite),
        baseline=suite.table.baseline,
        confidence=suite.table.confidence,
        correction=suite.table.correction,
        weights=_weights(suite.table.weights),
        rows=tuple(rows),
        reported=tuple(load_reported(name) for name in suite.table.reported),
    )
    return assess(table, outcomes), outcomes


def _weights(written: bool | str) -> str | None:
    """Where a table says that its weights are."""
    return "weights/" if written is True else written or None


def _measures(suite: SuiteSpec) -> tuple[Measure, ...]:
    return tuple(
        Measure(label=evaluation.title, metric=metric, heading=heading)
        for evaluation in suite.evaluations
        for metric, heading in evaluations.get(evaluation.name).implementation.table_metrics.items()
    )


def _repeats(suite: SuiteSpec) -> tuple[str, ...]:
    """Labels of the evaluations whose accuracy stands in the column of another one of the suite."""
    names = {evaluation.name for evaluation in suite.evaluations}
    found = [(evaluation.title, evaluations.get(evaluation.name), evaluation) for evaluation in suite.evaluations]
    return tuple(
        title
        for title, component, written in found
        if component.implementation.repeats(component.validate(written.parameters)) in names
    )


class _Index:
    """The records of a plan by what they are of, in the order of the plan: worker processes finish in any order."""

    def __init__(self, plan: Plan, done: Done) -> None:
        self._trained: dict[str, list[Record]] = {}
        self._evaluated: dict[tuple[str, int], list[tuple[EvaluateCell, Record]]] = {}
        self._parts: dict[tuple[str, int], dict[int, str]] = {}
        for cell, record in sorted(done, key=lambda item: plan.places[item[0]]):
            if isinstance(cell, TrainCell):
                self._trained.setdefault(cell.model.name, []).append(record)
            else:
                self._evaluated.setdefault((cell.train.model.name, cell.entry), []).append((cell, record))
        for planned in plan.evaluate:
            self._parts.setdefault((planned.train.model.name, planned.entry), {})[planned.part] = planned.detail

    def trained(self, model: str) -> list[Record]:
        """The trainings of one model."""
        return self._trained.get(model, [])

    def evaluated(self, model: str, index: int) -> list[tuple[EvaluateCell, Record]]:
        """The cells of one evaluation of one model, in the order of its parts, with their records."""
        return sorted(self._evaluated.get((model, index), []), key=lambda item: item[0].part)

    def parts(self, model: str, index: int) -> list[tuple[int, str]]:
        """Number and values of each part of an evaluation of a model."""
        return sorted(self._parts.get((model, index), {}).items())


def _row(entry: Entry, labels: Sequence[str], done: _Index) -> Row:
    """One model's row, its scores without intervals and comparisons."""
    model = entry.name
    trained = done.trained(model)
    failures: dict[str, str] = {}
    if broken := [record.failure for record in trained if record.failure]:
        failures["train"] = broken[0].message
    scores: dict[str, Score] = {}
    gaps: dict[str, Gap] = {}
    for index, label in enumerate(labels):
        found = done.evaluated(model, index)
        if failed := [record.failure for _, record in found if record.failure]:
            failures[label] = failed[0].message
        finished = [cell for cell, record in found if not record.failure]
        if gap := _gap(entry, label, done.parts(model, index), finished):
            gaps[label] = gap
        else:
            scores[label] = score_of([record for _, record in found])
    first = next((record for record in trained if not record.failure), trained[0])
    return Row(
        model=model,
        identity=first.identity["model"],
        timesteps=first.timesteps,
        parameters=first.parameters,
        seeds=tuple(entry.seeds),
        cells=scores,
        gaps=gaps,
        failures=failures,
        training=tuple(sorted(record.key for record in trained)),
    )


def _gap(entry: Entry, label: str, parts: Sequence[tuple[int, str]], finished: Sequence[EvaluateCell]) -> Gap | None:
    """What one evaluation of one model lacks; None if all of its seeds and conditions are there."""
    names = {part: detail or label for part, detail in parts}
    if len(set(names.values())) < len(names):
        names = {part: f"{name} (part {part})" for part, name in names.items()}
    lacks = missing({(cell.train.seed, names[cell.part]) for cell in finished}, entry.seeds, list(names.values()))
    if not lacks:
        return None
    short = {seed for seed, _ in lacks.cells}
    return Gap(complete=len(set(entry.seeds) - short), wanted=len(entry.seeds), lacks=str(lacks))


def _by_seed(records: Sequence[Record]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    for record in records:
        found.setdefault(record.seed, []).append(record)
    return dict(sorted(found.items()))


def score_of(records: Sequence[Record]) -> Score:
    """Joins the parts, in order, and the seeds of one evaluation of one model; nothing is missing."""
    combine = evaluations.get(records[0].identity["evaluation"]["name"]).implementation.combine
    metrics = [dict(combine(of_seed)) for of_seed in _by_seed(records).values()]
    names = sorted(set.intersection(*(set(of_seed) for of_seed in metrics)))
    mean = {name: float(np.mean([of_seed[name] for of_seed in metrics])) for name in names}
    return Score(
        accuracy=mean.get("accuracy"),
        seeds=len(metrics),
        samples=records[0].samples,
        metrics=mean,
        flags=tuple(sorted({flag for record in records for flag in record.flags})),
        comparable=all(record.comparable for record in records),
        records=tuple(record.key for record in records),
    )


def _outcomes(record: Record, samples: NDArray[np.int64], store: Store) -> Floats:
    columns = store.samples(record.key)
    return aligned(
        samples[: record.samples], columns["id"], columns["correct"], f"{record.model}, record {record.key[:12]}"
    )

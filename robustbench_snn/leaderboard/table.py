"""All records of one suite, aggregated: a row a model, a column an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from robustbench_snn.columns import Column
from robustbench_snn.leaderboard.statistics import Comparison, adjust, compare, wilson
from robustbench_snn.plan.plan import EvaluateCell, Plan, TrainCell
from robustbench_snn.registry import evaluations
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.strict import Strict

SCHEMA_VERSION = 1


class Against(Strict):
    """The paired comparison of a cell with the baseline's (see :class:`.statistics.Comparison`)."""

    baseline: str
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    detectable: float


class Cell(Strict):
    """One number of the table, and all that leads to it.

    Attributes:
        accuracy: mean over the seeds, in [0, 1]; None for an evaluation that has none (``profile``).
        half_width: of Wilson's interval for ``samples`` samples: a measure of the test set's size, not of seeds.
        spread: standard deviation over the seeds; None for one seed.
        samples: n.
        metrics: every metric of the evaluation, averaged over the seeds.
        flags: checks that failed for any seed.
        comparable: False for protocols that are set apart.
        against: the comparison with the baseline, if the table has one.
        records: keys of the records.
    """

    accuracy: float | None
    half_width: float | None
    spread: float | None
    samples: int
    metrics: Mapping[str, float]
    flags: tuple[str, ...]
    comparable: bool
    against: Against | None = None
    records: tuple[str, ...]


class Row(Strict):
    """One model of the table.

    Attributes:
        model: name.
        identity: its components with all their parameters.
        timesteps: T at training.
        parameters: number of parameters.
        seeds: training seeds.
        cells: by evaluation label; an evaluation that failed is missing.
        failures: by evaluation label, or ``train``: the message.
        training: keys of the training records.
    """

    model: str
    identity: Mapping[str, Any]
    timesteps: int
    parameters: int
    seeds: tuple[int, ...]
    cells: Mapping[str, Cell]
    failures: Mapping[str, str] = Field(default_factory=dict)
    training: tuple[str, ...]


class Measure(Strict):
    """A metric besides accuracy that the table shows.

    Attributes:
        label: of the evaluation.
        metric: its name.
        heading: of the column; ending in % for shares.
    """

    label: str
    metric: str
    heading: str


class Table(Strict):
    """A whole table.

    Attributes:
        schema_version: of this format.
        name: folder under results/.
        title: heading.
        description: one line.
        suite: name of the suite.
        protocol: what all entries share.
        protocol_hash: sha256 of it.
        dataset: name of the dataset.
        samples: evaluation samples.
        columns: evaluation labels, in order.
        measures: what is shown besides accuracies.
        confidence: of the intervals.
        rows: the models.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    title: str
    description: str
    suite: str
    protocol: Mapping[str, Any]
    protocol_hash: str
    dataset: str
    samples: int
    columns: tuple[str, ...]
    measures: tuple[Measure, ...] = ()
    confidence: float
    rows: tuple[Row, ...]


FinishedCell = Sequence[tuple[TrainCell | EvaluateCell, Record]]
Outcomes = dict[tuple[str, str], Column]
"""Per-sample share correct, float (N,), by (model, evaluation label): the mean over seeds."""


def make_table(plan: Plan, done: FinishedCell, store: Store) -> tuple[Table, Outcomes]:
    """Aggregates finished cells.

    Args:
        plan: the suite's plan.
        done: all cells with their records, in any order.
        store: where the per-sample outcomes are.
    """
    suite = plan.suite
    labels = [entry.label or entry.name for entry in suite.evaluations]
    outcomes: Outcomes = {}
    rows = []
    for model in suite.entries():
        trained = [(cell, record) for cell, record in done if isinstance(cell, TrainCell) and cell.model == model]
        rows.append(_row(model.name, trained, done, labels, store, outcomes, suite.table.confidence))
    compared = _with_baseline(rows, outcomes, suite.table.baseline, suite.table.confidence, suite.table.correction)
    table = Table(
        name=suite.table_name,
        title=suite.table.title or suite.name,
        description=suite.description,
        suite=suite.name,
        protocol=plan.protocol,
        protocol_hash=plan.protocol_hash,
        dataset=plan.dataset.name,
        samples=len(plan.dataset.test),
        columns=tuple(labels),
        measures=tuple(
            Measure(label=label, metric=metric, heading=heading)
            for entry, label in zip(suite.evaluations, labels, strict=True)
            for metric, heading in evaluations.get(entry.name).target.table_metrics.items()
        ),
        confidence=suite.table.confidence,
        rows=tuple(compared),
    )
    return table, outcomes


def _row(
    name: str,
    trained: FinishedCell,
    done: FinishedCell,
    labels: Sequence[str],
    store: Store,
    outcomes: Outcomes,
    confidence: float,
) -> Row:
    failures: dict[str, str] = {}
    if broken := [record.failure for _, record in trained if record.failure]:
        failures["train"] = broken[0].message
    cells = {}
    for index, label in enumerate(labels):
        parts = [
            (cell, record)
            for cell, record in done
            if isinstance(cell, EvaluateCell) and cell.entry == index and cell.train.model.name == name
        ]
        failed = [record for _, record in parts if record.failure]
        if failed and failed[0].failure:
            failures[label] = failed[0].failure.message
        elif parts:
            cells[label] = _cell(parts, store, outcomes, (name, label), confidence)
    first = trained[0][1]
    return Row(
        model=name,
        identity=first.identity["model"],
        timesteps=first.timesteps,
        parameters=first.parameters,
        seeds=tuple(sorted(record.seed for _, record in trained)),
        cells=cells,
        failures=failures,
        training=tuple(sorted(record.key for _, record in trained)),
    )


def _cell(parts: FinishedCell, store: Store, outcomes: Outcomes, place: tuple[str, str], confidence: float) -> Cell:
    """Joins the parts and seeds of one evaluation of one model."""
    by_seed: dict[int, list[Record]] = {}
    for _, record in sorted(parts, key=lambda item: item[0].part if isinstance(item[0], EvaluateCell) else 0):
        by_seed.setdefault(record.seed, []).append(record)
    evaluation = evaluations.get(parts[0][1].identity["evaluation"]["name"]).target
    metrics = [dict(evaluation.combine(records)) for _, records in sorted(by_seed.items())]
    shares = [
        np.mean([store.samples(record.key)["correct"] for record in records], axis=0)
        for records in by_seed.values()
        if all("accuracy" in record.metrics for record in records)
    ]
    if shares:
        outcomes[place] = np.mean(shares, axis=0)
    names = sorted(set.intersection(*(set(found) for found in metrics)))
    accuracies = [found["accuracy"] for found in metrics if "accuracy" in found]
    accuracy, samples = float(np.mean(accuracies)) if accuracies else None, parts[0][1].samples
    records = [record for _, record in parts]
    return Cell(
        accuracy=accuracy,
        half_width=None if accuracy is None else wilson(accuracy, samples, confidence).half_width,
        spread=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        samples=samples,
        metrics={key: float(np.mean([found[key] for found in metrics])) for key in names},
        flags=tuple(sorted({flag for record in records for flag in record.flags})),
        comparable=all(record.comparable for record in records),
        records=tuple(record.key for record in records),
    )


def _with_baseline(
    rows: Sequence[Row], outcomes: Outcomes, baseline: str | None, confidence: float, correction: Any
) -> list[Row]:
    """Adds to every cell its comparison with the baseline's, corrected over the whole table."""
    if baseline is None:
        return list(rows)
    found: dict[tuple[str, str], Comparison] = {
        (model, label): compare(shares, outcomes[baseline, label], confidence)
        for (model, label), shares in outcomes.items()
        if model != baseline and (baseline, label) in outcomes
    }
    adjusted = dict(zip(found, adjust([item.p_value for item in found.values()], correction), strict=True))

    def against(place: tuple[str, str]) -> Against | None:
        if place not in found:
            return None
        item = found[place]
        return Against(
            baseline=baseline,
            difference=item.difference,
            low=item.interval.low,
            high=item.interval.high,
            p_value=item.p_value,
            adjusted_p_value=adjusted[place],
            detectable=item.detectable,
        )

    return [
        row.model_copy(
            update={
                "cells": {
                    label: cell.model_copy(update={"against": against((row.model, label))})
                    for label, cell in row.cells.items()
                }
            }
        )
        for row in rows
    ]

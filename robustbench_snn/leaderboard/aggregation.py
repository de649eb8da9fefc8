"""From the records of a suite to its table: seeds and parts joined, the others compared with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from robustbench_snn.leaderboard.statistics import adjust, compare, wilson
from robustbench_snn.leaderboard.table import Against, Measure, Row, Score, Table
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.plan import Plan
from robustbench_snn.registry import evaluations
from robustbench_snn.spec.suite import SuiteSpec, TableSpec
from robustbench_snn.store.records import Column, Record
from robustbench_snn.store.store import Store

Place = tuple[str, str]
"""Where a score stands: (model, evaluation label)."""

Outcomes = Mapping[Place, Column]
"""Share correct of each sample, float (N,), the mean over seeds."""


def make_table(plan: Plan, done: Sequence[tuple[Cell, Record]], store: Store) -> tuple[Table, Outcomes]:
    """Aggregates the records of a plan.

    Args:
        plan: the suite's plan.
        done: the plan's cells with their records, in any order.
        store: where the per-sample outcomes are.

    Returns:
        The table, and the per-sample outcomes that its accuracies are the means of.
    """
    suite = plan.suite
    order = {id(cell): index for index, cell in enumerate(plan.cells)}  # worker processes finish in any order
    done = sorted(done, key=lambda item: order[id(item[0])])
    found = [_row(entry.name, suite, done, store) for entry in suite.entries()]
    outcomes = {place: shares for _, per_sample in found for place, shares in per_sample.items()}
    table = Table(
        name=suite.table_name,
        title=suite.table.title or suite.name,
        description=suite.description,
        suite=suite.name,
        protocol=plan.protocol,
        protocol_hash=plan.protocol_hash,
        dataset=plan.dataset.name,
        samples=len(plan.dataset.test),
        columns=tuple(suite.evaluation_labels),
        measures=_measures(suite),
        confidence=suite.table.confidence,
        rows=tuple(_compared([row for row, _ in found], outcomes, suite.table)),
    )
    return table, outcomes


def _measures(suite: SuiteSpec) -> tuple[Measure, ...]:
    return tuple(
        Measure(label=evaluation.title, metric=metric, heading=heading)
        for evaluation in suite.evaluations
        for metric, heading in evaluations.get(evaluation.name).target.table_metrics.items()
    )


def _row(
    model: str, suite: SuiteSpec, done: Sequence[tuple[Cell, Record]], store: Store
) -> tuple[Row, dict[Place, Column]]:
    """One model's row, and its per-sample outcomes."""
    trained = [record for cell, record in done if isinstance(cell, TrainCell) and cell.model.name == model]
    failures: dict[str, str] = {}
    if broken := [record.failure for record in trained if record.failure]:
        failures["train"] = broken[0].message
    scores: dict[str, Score] = {}
    outcomes: dict[Place, Column] = {}
    for index, label in enumerate(suite.evaluation_labels):
        parts = [
            (cell.part, record)
            for cell, record in done
            if isinstance(cell, EvaluateCell) and cell.entry == index and cell.train.model.name == model
        ]
        if failed := [record.failure for _, record in parts if record.failure]:
            failures[label] = failed[0].message
        elif parts:
            scores[label], shares = _score(parts, store, suite.table.confidence)
            if shares is not None:
                outcomes[model, label] = shares
    row = Row(
        model=model,
        identity=trained[0].identity["model"],
        timesteps=trained[0].timesteps,
        parameters=trained[0].parameters,
        seeds=tuple(sorted(record.seed for record in trained)),
        cells=scores,
        failures=failures,
        training=tuple(sorted(record.key for record in trained)),
    )
    return row, outcomes


def _score(parts: Sequence[tuple[int, Record]], store: Store, confidence: float) -> tuple[Score, Column | None]:
    """Joins the parts, each with its index, and the seeds of one evaluation of one model.

    Returns:
        The score, and the share correct of each sample, float (N,); None where the evaluation has no accuracy.
    """
    records = [record for _, record in parts]
    by_seed: dict[int, list[Record]] = {}
    for _, record in sorted(parts, key=lambda part: part[0]):
        by_seed.setdefault(record.seed, []).append(record)
    combine = evaluations.get(records[0].identity["evaluation"]["name"]).target.combine
    metrics = [dict(combine(of_seed)) for _, of_seed in sorted(by_seed.items())]
    names = sorted(set.intersection(*(set(of_seed) for of_seed in metrics)))
    accuracies = [of_seed["accuracy"] for of_seed in metrics if "accuracy" in of_seed]
    accuracy = float(np.mean(accuracies)) if accuracies else None
    samples = records[0].samples
    shares = [
        np.mean([store.samples(record.key)["correct"] for record in of_seed], axis=0)
        for of_seed in by_seed.values()
        if all("accuracy" in record.metrics for record in of_seed)
    ]
    score = Score(
        accuracy=accuracy,
        half_width=None if accuracy is None else wilson(accuracy, samples, confidence).half_width,
        spread=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None,
        samples=samples,
        metrics={name: float(np.mean([of_seed[name] for of_seed in metrics])) for name in names},
        flags=tuple(sorted({flag for record in records for flag in record.flags})),
        comparable=all(record.comparable for record in records),
        records=tuple(record.key for record in records),
    )
    return score, np.mean(shares, axis=0) if shares else None


def _compared(rows: Sequence[Row], outcomes: Outcomes, spec: TableSpec) -> list[Row]:
    """Adds to every score its comparison with the baseline's, corrected over the whole table."""
    if spec.baseline is None:
        return list(rows)
    against = _comparisons(outcomes, spec.baseline, spec)
    return [
        row.model_copy(
            update={
                "cells": {
                    label: score.model_copy(update={"against": against.get((row.model, label))})
                    for label, score in row.cells.items()
                }
            }
        )
        for row in rows
    ]


def _comparisons(outcomes: Outcomes, baseline: str, spec: TableSpec) -> dict[Place, Against]:
    found = {
        (model, label): compare(shares, outcomes[baseline, label], spec.confidence)
        for (model, label), shares in outcomes.items()
        if model != baseline and (baseline, label) in outcomes
    }
    adjusted = adjust([comparison.p_value for comparison in found.values()], spec.correction)
    return {
        place: Against(
            baseline=baseline,
            difference=comparison.difference,
            low=comparison.interval.low,
            high=comparison.interval.high,
            p_value=comparison.p_value,
            adjusted_p_value=adjusted_p_value,
            detectable=comparison.detectable,
        )
        for (place, comparison), adjusted_p_value in zip(found.items(), adjusted, strict=True)
    }

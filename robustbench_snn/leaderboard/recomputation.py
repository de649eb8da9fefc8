"""The numbers of a published table made again from its records and outcomes, by the functions that made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_snn.leaderboard.aggregation import score_of
from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.findings import CLOSE, Finding, differences
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes
from robustbench_snn.leaderboard.schema1.table import FirstTable
from robustbench_snn.leaderboard.statistics import wilson
from robustbench_snn.leaderboard.table import AnyTable, Row, Table
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import read_samples

Records = Mapping[str, Record]


def wrong_numbers(table: AnyTable, folder: Path, records: Records) -> Iterator[Finding]:
    """Numbers of a table that do not follow from its records and per-sample outcomes.

    Args:
        table: all of whose records are there.
        folder: of the version.
        records: by key.
    """
    if isinstance(table, Table):
        outcomes = read_outcomes(folder / "samples.parquet")
        yield from _wrong_outcomes(table, outcomes, records)
        yield from _wrong_rows(table, recomputed(table, outcomes, records))
    else:
        yield from _wrong_first(table, folder, records)


def recomputed(table: Table, outcomes: Outcomes, records: Records) -> Table:
    """The table as the library makes it from records and outcomes."""
    rows = [
        row.model_copy(
            update={
                "cells": {
                    label: score_of([records[key] for key in score.records]) for label, score in row.cells.items()
                }
            }
        )
        for row in table.rows
    ]
    return assess(table.model_copy(update={"rows": tuple(rows)}), outcomes)


def _wrong_outcomes(table: Table, outcomes: Outcomes, records: Records) -> Iterator[Finding]:
    """Outcomes without a score, scores without outcomes, and seeds whose outcomes are not those of their records."""
    scored = {
        (row.model, label) for row in table.rows for label, score in row.cells.items() if score.accuracy is not None
    }
    for model, label in sorted(scored ^ set(outcomes.by_seed)):
        there = (model, label) in outcomes.by_seed
        yield Finding("samples.parquet", model, label, *(("nothing", "outcomes") if there else ("outcomes", "nothing")))
    for row in table.rows:
        for label, score in row.cells.items():
            if (row.model, label) not in outcomes.by_seed:
                continue
            by_seed, count = outcomes.by_seed[row.model, label], len(outcomes.samples_of((row.model, label)))
            if count != score.samples or count > table.samples:
                yield Finding("samples.parquet", row.model, f"{label}, samples", score.samples, count)
            for seed in sorted({records[key].seed for key in score.records}):
                of_seed = [records[key] for key in score.records if records[key].seed == seed]
                expected = score_of(of_seed).metrics.get("accuracy")
                found = float(np.mean(by_seed[seed])) if seed in by_seed else None
                if expected is None or found is None or abs(expected - found) > 1e-6:  # float32 shares round
                    yield Finding("samples.parquet", row.model, f"{label}, seed {seed}", expected, found)


def _wrong_rows(table: Table, expected: Table) -> Iterator[Finding]:
    for ours, theirs in zip(expected.rows, table.rows, strict=True):
        for label in sorted({*ours.cells, *theirs.cells}):
            found, wanted = (_plain(row, label) for row in (theirs, ours))
            yield from differences("table.json", theirs.model, wanted, found, label)


def _plain(row: Row, label: str) -> Any:
    return row.cells[label].model_dump(mode="json") if label in row.cells else None


def _wrong_first(table: FirstTable, folder: Path, records: Records) -> Iterator[Finding]:
    """Of a table of schema version 1: accuracies, metrics, half-widths, spreads and differences."""
    columns = read_samples(folder / "samples.parquet")
    accuracies = {(row.model, label): score.accuracy for row in table.rows for label, score in row.cells.items()}
    for row in table.rows:
        for label, score in row.cells.items():
            of_seeds: dict[int, list[Record]] = {}
            for key in score.records:
                of_seeds.setdefault(records[key].seed, []).append(records[key])
            by_seed = [score_of(found).metrics for found in of_seeds.values()]
            made = {
                name: float(np.mean([metrics[name] for metrics in by_seed]))
                for name in score.metrics
                if all(name in metrics for metrics in by_seed)
            }
            expected: dict[str, Any] = {"metrics": made, "accuracy": made.get("accuracy")}
            found: dict[str, Any] = {"metrics": dict(score.metrics), "accuracy": score.accuracy}
            shares = columns.get(f"{row.model}/{label}")
            if score.accuracy is not None and shares is not None:
                if abs(float(np.mean(shares, dtype=np.float64)) - score.accuracy) > 1e-6:
                    yield Finding("samples.parquet", row.model, label, score.accuracy, float(np.mean(shares)))
                expected["half_width"] = wilson(score.accuracy, score.samples, table.confidence).half_width
                found["half_width"] = score.half_width
                seeds = [metrics["accuracy"] for metrics in by_seed]
                expected["spread"] = float(np.std(seeds, ddof=1)) if len(seeds) > 1 else None
                found["spread"] = score.spread
            elif score.accuracy is not None:
                yield Finding("samples.parquet", row.model, label, "a column", None)
            baseline = None if score.against is None else accuracies.get((score.against.baseline, label))
            if score.against is not None and (baseline is None or score.accuracy is None):
                yield Finding("table.json", row.model, f"{label}/against", None, score.against.baseline)
            elif score.against is not None and baseline is not None and score.accuracy is not None:
                difference = score.accuracy - baseline
                if abs(difference - score.against.difference) > 10 * CLOSE:
                    yield Finding(
                        "table.json", row.model, f"{label}/against/difference", difference, score.against.difference
                    )
            yield from differences("table.json", row.model, expected, found, label)

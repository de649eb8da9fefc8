"""Entries that carry over from one version to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from robustbench_snn.leaderboard.aggregation import score_of
from robustbench_snn.leaderboard.content import Content
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.plan.keys import content_key
from robustbench_snn.store.records import Record


def extended(before: Content, new: Content) -> Content:
    """A published table with rows of the same protocol added after its own; what the table says stays as it was."""
    whole = carried_over(before, new)
    rows = {row.model: row for row in (*before.table.rows, *new.table.rows)}
    ours = {"protocol": new.table.protocol, "protocol_hash": new.table.protocol_hash, "rows": tuple(rows.values())}
    stated = {name: getattr(new.table, name) for name in ("weights", "dataset_title")}
    ours |= {name: value for name, value in stated.items() if value is not None}
    return replace(whole, table=before.table.model_copy(update=ours))


def carried_over(before: Content, new: Content) -> Content:
    """The new content with the entries of the version before that were not measured again.

    What an entry was measured with is told by the resolved evaluation, never by the label of its column. A suite
    without a baseline takes that of the version before, with its confidence and correction.
    """
    measured = {row.model for row in new.table.rows}
    labels = _same_evaluations(before.table, new.table)
    kept = [_relabelled(row, labels) for row in before.table.rows if row.model not in measured]
    names = {row.model for row in kept}
    carried = {
        (model, labels[label]): before.outcomes.in_order_of(new.outcomes.samples, (model, label))
        for model, label in before.outcomes.by_seed
        if model in names and label in labels
    }
    outcomes = Outcomes(new.outcomes.samples, {**new.outcomes.by_seed, **carried})
    changes: dict[str, object] = {"rows": (*new.table.rows, *kept)}
    if new.table.baseline is None:
        changes |= {name: getattr(before.table, name) for name in ("baseline", "confidence", "correction")}
    changes |= {
        name: getattr(before.table, name) for name in ("weights", "dataset_title") if getattr(new.table, name) is None
    }
    return Content(
        new.table.model_copy(update=changes),
        outcomes,
        {**before.records, **new.records},
        {**before.weights, **new.weights},
    )


def grown(before: Content, table: Table, outcomes: Outcomes, made: Iterable[Record]) -> tuple[Table, Outcomes]:
    """A table of new trainings, with those that the version before has of the same models in the same rows.

    A row with a training that the one before has too stays as it is: it was computed as a whole.

    Args:
        before: the published version; its rows are of the same models where they have the same names.
        table: of the same protocol.
        outcomes: of the table.
        made: the records of the table.
    """
    theirs = {row.model: row for row in before.table.rows}
    apart = {
        row.model: theirs[row.model]
        for row in table.rows
        if row.model in theirs and set(theirs[row.model].training).isdisjoint(row.training)
    }
    needed = {key for row in apart.values() for score in row.cells.values() for key in score.records}
    records = {key: Record.model_validate_json(before.records[key]) for key in needed}
    records |= {record.key: record for record in made}
    rows = [_of_all_seeds(apart[row.model], row, records) if row.model in apart else row for row in table.rows]
    joined = {
        place: {**before.outcomes.in_order_of(outcomes.samples, place), **of_seed}
        for place, of_seed in outcomes.by_seed.items()
        if place[0] in apart
    }
    whole = Outcomes(outcomes.samples, {**outcomes.by_seed, **joined})
    return table.model_copy(update={"rows": tuple(rows)}), whole


def _of_all_seeds(before: Row, new: Row, records: Mapping[str, Record]) -> Row:
    """One row of the trainings of two, the first of which lacks nothing."""
    cells = {}
    for label, score in new.cells.items():
        keys = (*before.cells[label].records, *score.records)
        cells[label] = score_of(_in_order([records[key] for key in keys]))
    there = len(before.seeds)
    gaps = {
        label: gap.model_copy(update={"complete": gap.complete + there, "wanted": gap.wanted + there})
        for label, gap in new.gaps.items()
    }
    changes = {
        "seeds": tuple(sorted((*before.seeds, *new.seeds))),
        "training": tuple(sorted((*before.training, *new.training))),
        "cells": cells,
        "gaps": gaps,
    }
    return new.model_copy(update=changes)


def _in_order(records: Sequence[Record]) -> list[Record]:
    """Parts in order, and within each the seeds, of records whose parts are in order within each seed."""
    part: Counter[int] = Counter()
    places = []
    for record in records:
        places.append((part[record.seed], record.seed))
        part[record.seed] += 1
    return [record for _, record in sorted(zip(places, records, strict=True), key=lambda item: item[0])]


def _same_evaluations(before: Table, new: Table) -> dict[str, str]:
    """The label in the new table of each evaluation of the one before, by its label there."""
    theirs, ours = _labels(before), _labels(new)
    return {label: ours[content] for content, label in theirs.items() if content in ours}


def _labels(table: Table) -> dict[tuple[str, int], str]:
    """Labels by resolved evaluation; one that is listed more than once is told apart by its order."""
    found: dict[tuple[str, int], str] = {}
    times: Counter[str] = Counter()
    for evaluation in table.protocol["evaluations"]:
        content = content_key(**{name: value for name, value in evaluation.items() if name != "label"})
        found[content, times[content]] = evaluation["label"]
        times[content] += 1
    return found


def _relabelled(row: Row, labels: Mapping[str, str]) -> Row:
    changes = {
        name: {labels.get(label, label): value for label, value in held.items() if label in labels or label == "train"}
        for name, held in (("cells", row.cells), ("gaps", row.gaps), ("failures", row.failures))
    }
    return row.model_copy(update=changes)

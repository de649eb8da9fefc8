"""A small suite that every executor computes, and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robustbench_snn.dataset import load_dataset
from robustbench_snn.execution import run_cells
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from tests.tiny_suite import TINY

SUITE = TINY | {
    "models": [{"name": "direct", "encoder": "direct"}, {"name": "imp", "encoder": "imp"}],
    "evaluations": ["clean", {"fgsm": {"eps": 0.01}}],
}


def session(folder: Path, changes: dict[str, Any] | None = None, **settings: Any) -> Session:
    """A session of the suite on a store of its own."""
    suite = parse_suite(SUITE | (changes or {}))
    plan: Plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    return Session(plan, Store(folder), RunSettings(**settings))


def left_by(run: Session) -> dict[str, Record]:
    """The record of every cell, by title."""
    return {cell.title: record for cell, record in run_cells(run)}


def numbers(run: Session, found: dict[str, Record]) -> dict[str, Any]:
    """All that no executor may change: keys, weights, and what was found on every sample."""
    return {
        title: (
            record.key,
            record.weights_sha256,
            dict(record.metrics),
            {name: column.tolist() for name, column in run.store.samples(record.key).items()} if record.samples else {},
        )
        for title, record in found.items()
    }

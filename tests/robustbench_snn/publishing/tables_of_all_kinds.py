"""A published table with every kind of evaluation, and text that would like to be markup."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from robustbench_snn.leaderboard import publication
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.table import Gap, Measure, Row, Table
from robustbench_snn.reported import Group, Number, ReportedSet, Source
from robustbench_snn.store.records import Record
from tests.provenance import PROVENANCE
from tests.tables import N, outcomes, score

MODELS = {
    "<script>alert(1)</script>": 0.9,
    '"><img src=x onerror=alert(1)>': 0.85,
    "\u202eevil\u2066 {{ 7*7 }}": 0.6,
    "مرحبا": 0.5,
    "../../up": 0.4,
    "Direct": 0.3,
    "direct": 0.2,
}
"""Names, with accuracies far enough apart for some to be told from the best."""

GAPPED, FLAGGED, TITLE = "direct", "../../up", "</title><script>alert('title')</script>"
LABELS = ("clean", "pgd", "curve", "corruptions", "timesteps", "profile")
PARAMETERS: Mapping[str, dict[str, Any]] = {"pgd": {"eps": 8 / 255, "norm": "linf"}, "curve": {"norm": "l2"}}
NAMES = {"curve": "epsilon_curve"}
METRICS: Mapping[str, dict[str, float]] = {
    "corruptions": {"mce": 0.7},
    "timesteps": {"accuracy_T1": 0.3, "accuracy_T2": 0.5, "accuracy_T4": 0.6},
    "profile": {"firing_rate": 0.1, "compute_energy_uj": 12.5},
}
DETAILS: Mapping[str, dict[str, Any]] = {
    "curve": {"curve": [{"eps": 0.0, "accuracy": 1.0}, {"eps": 0.5, "accuracy": 0.25}]},
    "corruptions": {"accuracy": {"<b>fog</b>": {"1": 0.75, "5": 0.25}}},
    "train": {"history": [{"epoch": 1, "loss": 2.0, "accuracy": 0.5}, {"epoch": 2, "loss": 1.0, "accuracy": 0.9}]},
}
SEEDS = (0, 1)


REPORTED = ReportedSet(
    name="papers",
    title="</h3><script>alert('reported')</script>",
    groups=(
        Group(
            source=Source(citation='<b>A</b> & "others", 2024', arxiv="2401.00001v2", where="<i>Table 3</i>"),
            dataset="CIFAR-10",
            metric="top-1 <u>accuracy</u>",
            unit="%",
            protocol='"><img src=x onerror=alert(1)>',
            numbers=(Number(model="theirs", value=99.87, sd=0.5, timesteps=4, of="<em>fog</em>"),),
        ),
        Group(
            source=Source(citation="B, 2023"),
            dataset="CIFAR-10",
            metric="parameters",
            unit="",
            protocol="none",
            numbers=(Number(model="direct", value=1234567),),
        ),
    ),
)
"""Numbers of papers: one better than any that was measured, and one of a model with a measured model's name."""


def key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def make_table(models: Mapping[str, float] = MODELS, labels: tuple[str, ...] = LABELS) -> Table:
    return Table(
        name="tab",
        title=TITLE,
        description='a "description" & <b>more</b>',
        suite="tab",
        protocol={
            "evaluations": [
                {"label": label, "name": NAMES.get(label, label), "parameters": PARAMETERS.get(label, {})}
                for label in labels
            ]
        },
        protocol_hash="a" * 64,
        dataset="digits",
        samples=N,
        columns=labels,
        repeats=("timesteps",),
        measures=(
            Measure(label="corruptions", metric="mce", heading="mCE %"),
            Measure(label="profile", metric="firing_rate", heading="firing rate %"),
            Measure(label="profile", metric="compute_energy_uj", heading="compute µJ"),
        ),
        baseline="Direct" if "Direct" in models else None,
        confidence=0.95,
        rows=tuple(_row(model, labels) for model in models),
        reported=(REPORTED,),
    )


def _row(model: str, labels: tuple[str, ...]) -> Row:
    cells = {
        label: score(
            None if label == "profile" else 0.5,
            metrics={"accuracy": 0.5} | METRICS.get(label, {}),
            flags=("zero_gradient", "<i>own</i>") if (model, label) == (FLAGGED, "pgd") else (),
            comparable=(model, label) != (FLAGGED, "curve"),
            records=tuple(key(model, label, seed) for seed in SEEDS),
        )
        for label in labels
        if (model, label) != (GAPPED, "pgd")
    }
    return Row(
        model=model,
        identity={"encoder": {"name": "direct", "version": 1, "parameters": {"<u>": "</u>"}}, "timesteps": 4},
        timesteps=4,
        parameters=1000 + len(model),
        seeds=SEEDS,
        cells=cells,
        gaps={"pgd": Gap(complete=1, wanted=2, lacks="seed 1: <em>pgd</em>")} if model == GAPPED else {},
        training=tuple(key(model, "train", seed) for seed in SEEDS),
    )


def make_outcomes(models: Mapping[str, float] = MODELS, labels: tuple[str, ...] = LABELS) -> Outcomes:
    drawn = outcomes(tuple(label for label in labels if label != "profile"), seeds=len(SEEDS), **models)
    return Outcomes(drawn.samples, {at: found for at, found in drawn.by_seed.items() if at != (GAPPED, "pgd")})


def make_records(table: Table) -> Iterator[Record]:
    for row in table.rows:
        for seed in SEEDS:
            for label in ("train", *row.cells):
                yield Record(
                    key=key(row.model, label, seed),
                    kind="train" if label == "train" else "evaluate",
                    status="done",
                    suite="tab",
                    model=row.model,
                    identity={"evaluation": {"name": label}},
                    seed=seed,
                    timesteps=4,
                    parameters=row.parameters,
                    metrics={"accuracy": 0.5},
                    details=DETAILS.get(label, {}),
                    provenance=PROVENANCE.model_copy(
                        update={"command": ("rbsnn", "run", "<x>.yaml", "--store", "/secret"), "hardware": "<h>&"}
                    ),
                )


def publish(results: Path, models: Mapping[str, float] = MODELS, labels: tuple[str, ...] = LABELS) -> Table:
    """Publishes the table, and returns it as it was asked for."""
    table = make_table(models, labels)
    publication.publish(table, make_outcomes(models, labels), list(make_records(table)), results)
    return table

"""A published cell computed again, and held against its record, sample by sample."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.published import Published
from robustbench_snn.exchange.replan import Replanned, replan
from robustbench_snn.execution import RunSettings
from robustbench_snn.execution.session import Progress, Session
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.outcomes import aligned
from robustbench_snn.leaderboard.versions import weights_anywhere
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.store.checks import SAMPLES, of_model
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store
from robustbench_snn.weights.tensors import read_tensors

TOLERANCE = 0.01
"""Share of the samples whose outcome may differ: arithmetic of another machine moves a few."""

WEIGHT_TOLERANCE = 1e-5
"""By how much a trained weight may differ from the published one."""

ROUNDING = 1e-6
"""Shares are float32 in some evaluations."""


@dataclass(frozen=True)
class Reproduced:
    """How a cell computed again compares with its record.

    Attributes:
        record: the published one.
        made: the new one.
        weights: where the model came from: published weights, or a new training, and whether that made the same.
        verdict: ``equal``: every sample, or every weight, alike. ``within tolerance``: no more than stated.
        samples: ids of the samples whose outcome differs; None where the published outcomes are means over several
            cells, so that they cannot be told.
        said: the comparison in words.
    """

    record: Record
    made: Record
    weights: str
    verdict: Literal["equal", "within tolerance", "different"]
    samples: tuple[int, ...] | None
    said: str


def reproduce(
    published: Published,
    record: Record,
    folder: Path,
    settings: RunSettings,
    progress: Progress | None = None,
    *,
    retrain: bool = False,
    tolerance: float = TOLERANCE,
    dataset: ComponentSpec | None = None,
    results: Path | None = None,
) -> Reproduced:
    """Computes a published cell again, from published weights if there are any, else from the recorded training.

    Args:
        published: the version.
        record: of a training or an evaluation of it.
        folder: of a store for what is computed; the published weights are put into it.
        settings: how to compute.
        progress: who is told.
        retrain: whether to train even where weights are published.
        tolerance: largest share of samples whose outcome may differ.
        dataset: its parameters, where they cannot be found by its hashes.
        results: folder of other tables, one of which may have the weights that this version lacks.

    Raises:
        UserError: if it cannot be computed here, see :func:`~robustbench_snn.exchange.replan.replan`.
    """
    replanned = replan(published, record, dataset)
    training, weights = replanned.training, published.content.weights.get(replanned.training.key)
    if weights is None and results is not None:
        weights = weights_anywhere(results, training)
    store = Store(folder)
    if replanned.evaluate is not None and weights is not None and not retrain:
        store.write(
            training.model_copy(update={"files": {}, "content_sha256": None}),
            lambda scratch: shutil.copyfile(weights, scratch / "weights.safetensors"),
            replace=True,
        )
    elif "weights_file" in training.identity:
        raise UserError(f"the weights of '{training.model}' came from a file that is not published: nothing to train")
    session = Session(replanned.plan, store, settings, progress)
    trained = session.compute(replanned.train)
    made = trained if replanned.evaluate is None or trained.failure else session.compute(replanned.evaluate)
    if made.failure is not None:
        raise UserError(f"it failed here: {made.failure.type}: {made.failure.message}")
    if weights is not None and not retrain and replanned.evaluate is not None:
        origin = "published weights"
    else:
        same = trained.weights_sha256 == training.weights_sha256
        origin = f"a new training, which made {'the same' if same else 'other'} weights"
    if replanned.evaluate is None:
        return _compared_weights(record, made, origin, store.weights(made.key), weights)
    return _compared(published, replanned, record, made, store, origin, tolerance)


def _compared_weights(record: Record, made: Record, origin: str, ours: Path, theirs: Path | None) -> Reproduced:
    if made.weights_sha256 == record.weights_sha256:
        return Reproduced(record, made, origin, "equal", (), "every weight is the same")
    if theirs is None:
        said = "its weights differ, and none are published to say by how much"
        return Reproduced(record, made, origin, "different", None, said)
    new, old = read_tensors(ours)[0], read_tensors(theirs)[0]
    furthest = max(float((new[name].double() - old[name].double()).abs().max()) for name in old)
    close = furthest <= WEIGHT_TOLERANCE
    said = f"its weights differ by {furthest:.2g} at most; tolerance {WEIGHT_TOLERANCE:g}"
    return Reproduced(record, made, origin, "within tolerance" if close else "different", None, said)


def _compared(
    published: Published, cell: Replanned, record: Record, made: Record, store: Store, origin: str, tolerance: float
) -> Reproduced:
    metrics = [
        difference
        for difference in differences("", "", of_model(record), of_model(made))
        if difference.column != "accuracy"
    ]
    place = (record.model, cell.label)
    outcomes, columns = published.content.outcomes, store.samples(made.key)
    share = 0.0
    names: tuple[int, ...] | None = ()
    if place in outcomes.by_seed and cell.parts == 1:
        samples = outcomes.samples_of(place)
        new = aligned(samples, columns["id"], columns["correct"], record.model)
        off = samples[np.abs(new - outcomes.by_seed[place][record.seed]) > ROUNDING]
        share, names = len(off) / len(new), tuple(int(sample) for sample in sorted(off))
        said = f"{len(off)} of {len(new)} samples have another outcome"
    elif made.files.get(SAMPLES) == record.files.get(SAMPLES):
        said = "every sample has the same outcome"
    elif "accuracy" in record.metrics:
        share, names = abs(record.metrics["accuracy"] - made.metrics["accuracy"]), None
        said = (
            f"some samples have another outcome, which moves the accuracy by {share:.2%}; which ones cannot be told: "
            f"published outcomes are means over {cell.parts} cells"
        )
    else:
        said = "it has no accuracy; its metrics were compared"
    if metrics:
        said += f"; {metrics[0].column} was {metrics[0].expected}, is {metrics[0].found}"
    verdict: Literal["equal", "within tolerance", "different"] = "different"
    if names == ():
        verdict = "different" if metrics else "equal"
    elif share <= tolerance:
        verdict = "within tolerance"
    return Reproduced(record, made, origin, verdict, names, f"{said}; tolerance {tolerance:.1%} of the samples")

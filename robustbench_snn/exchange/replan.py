"""One published cell as a plan: the suite that it was a part of, made again from its record."""

from __future__ import annotations

from dataclasses import dataclass, replace

from robustbench_snn.dataset import load_dataset
from robustbench_snn.digests import canonical
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.data import rebuilt_dataset
from robustbench_snn.exchange.protocol import check_computable
from robustbench_snn.exchange.published import Published
from robustbench_snn.exchange.rewriting import described_model
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.table import Row
from robustbench_snn.plan.cells import EvaluateCell, TrainCell
from robustbench_snn.plan.keys import written
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record


@dataclass(frozen=True)
class Replanned:
    """A published cell, and all that computing it again takes.

    Attributes:
        plan: of its training, and of its evaluation with all of its parts.
        training: record of the training.
        train: the training.
        evaluate: the evaluation, if the cell is one.
        label: column of the evaluation; empty for a training.
        parts: number of cells whose mean is the published outcome of the evaluation.
    """

    plan: Plan
    training: Record
    train: TrainCell
    evaluate: EvaluateCell | None
    label: str
    parts: int


def replan(published: Published, record: Record, stated: ComponentSpec | None = None) -> Replanned:
    """Makes the plan of a published cell again.

    Args:
        published: the version that it is of.
        record: of the cell.
        stated: the dataset, where its parameters cannot be found by its hashes.

    Raises:
        UserError: if this program would compute something else, or the record does not say enough.
    """
    row, label = _place(published, record)
    training = next(found for found in published.trainings([row]) if found.seed == record.seed)
    protocol = published.table.protocol
    listed = [found for found in protocol["evaluations"] if found["label"] == label] or protocol["evaluations"][:1]
    remedy = "Reproduce it with the program that made it: commit " + str(record.provenance.git_commit)[:12]
    evaluations = check_computable(listed if label else [], published.title, remedy) if label else [written(listed[0])]
    if record.identity.get("peers"):
        raise UserError(f"{label} of {row.model} depends on the weights of other models, which are not published")
    suite = parse_suite(
        {
            "name": published.table.suite,
            "dataset": rebuilt_dataset(protocol, published.table.samples, [training], stated),
            "evaluation_seed": protocol["seed"],
            "models": [described_model(row, training, [training.seed])],
            "evaluations": evaluations,
        },
        published.title,
    )
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    train = _as_recorded(plan.train[0], training)
    cells = [replace(cell, train=train) for cell in plan.evaluate] if label else []
    plan = replace(plan, train=(train,), evaluate=tuple(cells))
    if not label:
        return Replanned(plan, training, train, None, "", 1)
    wanted = record.identity["evaluation"]
    for cell in cells:
        if canonical(cell.identity)["evaluation"] == wanted:
            return Replanned(plan, training, train, cell, label, len(cells))
    raise UserError(f"this program cuts {label} into other parts than {published.title}: none is that of {record.key}")


def _place(published: Published, record: Record) -> tuple[Row, str]:
    for row in published.table.rows:
        if record.key in row.training:
            return row, ""
        for label, score in row.cells.items():
            if record.key in score.records:
                return row, label
    raise UserError(f"no number of {published.title} comes from the record {record.key[:12]}")


def _as_recorded(cell: TrainCell, training: Record) -> TrainCell:
    """The training with the identity of its record; weights that came from a file are known by their hash only.

    Raises:
        UserError: if this program would train another model, or in another way.
    """
    wanted = {name: value for name, value in training.identity.items() if name not in ("key_version", "kind")}
    ours = canonical(cell.identity)
    if "weights_file" in wanted:
        ours = {name: value for name, value in ours.items() if name in wanted} | {
            "weights_file": wanted["weights_file"]
        }
    if found := next(differences("", "", wanted, ours), None):
        raise UserError(
            f"this program makes another model than the record of '{training.model}' says: {found.column} is "
            f"{found.expected} there, {found.found} here"
        )
    return replace(cell, identity=wanted)

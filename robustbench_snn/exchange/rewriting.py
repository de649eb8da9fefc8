"""The suite file of a published version, written from the version itself: whichever runs and changes it grew from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robustbench_snn.dataset import load_dataset
from robustbench_snn.digests import canonical
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.data import rebuilt_dataset
from robustbench_snn.exchange.protocol import check_computable
from robustbench_snn.exchange.published import Published
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.table import HEADING, Row
from robustbench_snn.plan.keys import key_of, written
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.reported import shipped_reported
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.records import Record

_COMMON = ("timesteps", "backbone", "recipe", "seeds")
"""What a suite says once where all of its models have the same."""


def rewritten_suite(published: Published, stated: ComponentSpec | None = None) -> dict[str, Any]:
    """A suite that trains and evaluates all that a version holds, as the plain data of a suite file.

    It is planned before it is returned: its protocol is the table's, and its trainings have the keys of the table's.
    Numbers of papers are named if their set ships; a set of somebody's own file is left out.

    Args:
        published: the version, or a draft.
        stated: the dataset, where its parameters cannot be found by its hashes.

    Raises:
        UserError: if this program would compute something else, or the records do not say enough.
    """
    table = published.table
    evaluations = check_computable(table.protocol["evaluations"], published.title, _remedy(published))
    dataset = rebuilt_dataset(table.protocol, table.samples, published.trainings(), stated)
    models = [described_model(row, _training(row, published), row.seeds) for row in table.rows]
    heading = {name: getattr(table, name) for name in HEADING}
    shown = [found.name for found in table.reported if found.name in shipped_reported()]
    data: dict[str, Any] = {
        "name": table.suite,
        **({"description": table.description} if table.description else {}),
        "dataset": dataset.model_dump(mode="json"),
        "evaluation_seed": table.protocol["seed"],
        **_taken_out(models),
        "models": models,
        "evaluations": [found.model_dump(mode="json") for found in evaluations],
        "table": {name: value for name, value in (heading | {"reported": shown or None}).items() if value is not None},
    }
    _check(data, published)
    return data


def described_model(row: Row, training: Record, seeds: Sequence[int]) -> dict[str, Any]:
    """A row as a suite's ``models:`` has it, with all that the record of one of its trainings says."""
    identity = row.identity
    model: dict[str, Any] = {"name": row.model, "timesteps": row.timesteps, "seeds": list(seeds)}
    if "model" in identity:
        return model | {"model": _plain(identity["model"])}
    model |= {"encoder": _plain(identity["encoder"]), "backbone": _plain(identity["backbone"])}
    own = {"recipe": training.identity.get("recipe"), "readout": identity["readout"]}
    return model | {name: value for name, value in own.items() if value is not None}


def _plain(component: Mapping[str, Any]) -> Any:
    return written(component).model_dump(mode="json")


def _training(row: Row, published: Published) -> Record:
    """One of a row's trainings, which differ in their seed.

    Raises:
        UserError: if there is none, or none that could be done again.
    """
    found = published.trainings([row])
    if not found:
        raise UserError(f"no training of '{row.model}' in {published.title} succeeded: nothing says how it was trained")
    if "weights_file" in found[0].identity:
        raise UserError(
            f"the weights of '{row.model}' in {published.title} came from a file, so that no suite trains it; write "
            "one that names the file as weights:"
        )
    return found[0]


def _taken_out(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Takes out of the models what all of them have alike, and returns it."""
    common = {name for name in _COMMON if all(name in model and model[name] == models[0][name] for model in models)}
    found = {name: models[0][name] for name in _COMMON if name in common}
    for model in models:
        for name in common:
            del model[name]
    return found


def _check(data: Mapping[str, Any], published: Published) -> None:
    """Makes sure that the suite is the version's.

    Raises:
        UserError: naming the first thing that is not.
    """
    suite = parse_suite(data, published.title)
    plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
    if found := next(differences("", "", canonical(published.table.protocol), canonical(plan.protocol)), None):
        raise UserError(
            f"the protocol of {published.title} cannot be written as a suite: {found.column} is {found.expected} "
            f"there, {found.found} here. {_remedy(published)}"
        )
    keys = {(cell.model.name, key_of(cell)) for cell in plan.train}
    for row in published.table.rows:
        if moved := [key[:12] for key in row.training if (row.model, key) not in keys]:
            raise UserError(
                f"this program trains another '{row.model}' than {published.title} has ({', '.join(moved)}). "
                f"{_remedy(published)}"
            )


def _remedy(published: Published) -> str:
    return f"Compute it again with the program that made it: {published.made_by}"

"""A suite file of new models, or of more seeds, completed by the protocol of the table that they are added to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from robustbench_snn.digests import canonical
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.borrowed import borrowed
from robustbench_snn.exchange.data import rebuilt_dataset
from robustbench_snn.exchange.growth import without_published
from robustbench_snn.exchange.protocol import check_computable, resolved_here
from robustbench_snn.exchange.published import Published
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.table import HEADING
from robustbench_snn.plan.keys import written
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.registry.spec import ComponentSpec, component_spec, evaluation_spec
from robustbench_snn.spec.files import SuiteError, parse_suite
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.training import resolve_recipe

Problem = tuple[str, str]
"""Path in the suite file, and what is wrong there."""


def complete_suite(data: Mapping[str, Any], source: str, published: Published) -> SuiteSpec:
    """The suite of new models, or of more seeds, under a published protocol.

    Dataset, samples, evaluations, evaluation seed, heading and baseline are the table's. Training seeds, recipe, T
    and backbone are those that all of its rows share, unless a model states its own; the suite may state more seeds.

    Args:
        data: the suite file; what it states must be what the table has.
        source: its name, for messages.
        published: the table.

    Raises:
        SuiteError: naming everything that contradicts the table, with both values, or has to be stated.
        UserError: if this program does not compute the table's evaluations.
    """
    table = published.table
    remedy = (
        f"Add to it with the program that made it ({published.made_by}), or publish the table anew with this one: "
        "run a suite with all of its models; trainings that have not moved are taken from the store"
    )
    evaluations = check_computable(table.protocol["evaluations"], published.title, remedy)
    problems: list[Problem] = []
    whole = {"name": table.suite, **data}
    whole["evaluations"], wrong = _evaluations(data.get("evaluations"), evaluations, table.protocol["evaluations"])
    problems += [*wrong, *_peers(whole["evaluations"])]
    problems += _differing(data, {"evaluation_seed": table.protocol["seed"]})
    whole["evaluation_seed"] = table.protocol["seed"]
    try:
        stated = component_spec(data["dataset"]) if "dataset" in data else None
        whole["dataset"] = rebuilt_dataset(table.protocol, table.samples, published.trainings(), stated)
    except UserError as error:
        problems.append(("dataset", str(error).removeprefix("dataset: ")))
    problems += _settings(whole, data, published)
    whole["table"], wrong = _table(data.get("table"), published)
    if problems := [*problems, *wrong]:
        raise SuiteError(source, problems)
    return parse_suite(whole, source)


def plan_onto(suite: SuiteSpec, published: Published, dataset: Any) -> Plan:
    """The plan of what the table lacks: new rows, and new seeds of its own.

    Raises:
        UserError: if its protocol is not the table's after all, or a row of the table has the name of another model.
    """
    plan = make_plan(suite, dataset)
    found = next(differences("protocol", "", canonical(published.table.protocol), canonical(plan.protocol)), None)
    if found is not None:
        raise UserError(f"the protocol of {published.title} cannot be rebuilt here: {found}")
    return without_published(plan, published)


def _evaluations(
    stated: Any, ours: list[ComponentSpec], published: list[Mapping[str, Any]]
) -> tuple[list[ComponentSpec], list[Problem]]:
    """The evaluations to run: the table's, or those of the file if they are the same."""
    if stated is None:
        places = [
            (
                f"evaluations.{index}",
                f"{found['label']} reads files, and the table does not say where they are: state "
                "the evaluations of the table, with the place of these files",
            )
            for index, found in enumerate(published)
            if "content" in found
        ]
        return ours, places
    try:
        found = list(borrowed([evaluation_spec(item) for item in stated]))
        here = [resolved_here(item) for item in found]
    except (UserError, ValidationError, TypeError) as error:
        return ours, [("evaluations", str(error))]
    labels = [[item["label"] for item in listed] for listed in (here, published)]
    if labels[0] != labels[1]:
        message = f"the suite says {', '.join(labels[0])}; the table has {', '.join(labels[1])}"
        return ours, [("evaluations", message)]
    wrong = []
    for index, (mine, theirs) in enumerate(zip(here, published, strict=True)):
        for difference in differences("", "", mine, canonical(theirs)):
            wrong.append(
                (
                    f"evaluations.{index}.{difference.column.replace('/', '.')}",
                    f"the suite says {difference.expected}, the table has {difference.found}",
                )
            )
    return found, wrong


def _peers(evaluations: Iterable[ComponentSpec]) -> list[Problem]:
    return [
        (
            f"evaluations.{index}",
            f"{found.title} makes every row depend on the other models of its suite, whose weights the table lacks: "
            "run one suite with all models",
        )
        for index, found in enumerate(evaluations)
        if found.create("evaluations").needs_peers
    ]


def _settings(whole: dict[str, Any], data: Mapping[str, Any], published: Published) -> list[Problem]:
    """Puts what all rows share into the suite; returns what contradicts it, or is neither shared nor stated."""
    problems: list[Problem] = []
    models = data.get("models") or []
    own = [set(model) if isinstance(model, Mapping) else set() for model in models]
    for name, values in _shared(published).items():
        needed = bool(data.get("grid")) or any({name, "model", "weights"}.isdisjoint(stated) for stated in own)
        if len(values) == 1:
            (value,) = values
            binding = name in ("seeds", "recipe")  # T and backbone are the models' own
            if name in data and binding and not _agrees(name, data[name], value):
                said = f"the suite says {data[name]}, the table's models have {value}"
                problems.append((name, f"{said}; a model that differs states its own"))
            whole.setdefault(name, value)
        elif name not in data and needed:
            problems.append((name, f"the table's models differ in it ({len(values)} values): state it"))
    return problems


def _agrees(name: str, stated: Any, value: Any) -> bool:
    if name == "recipe":
        try:
            return bool(resolve_recipe(stated).model_dump(mode="json") == value)
        except UserError:
            return True  # whoever validates the suite says what is wrong
    if name == "seeds" and isinstance(stated, list | tuple):
        return set(value) <= set(stated)
    return bool(stated == value)


def _shared(published: Published) -> dict[str, list[Any]]:
    """The different values that the rows of a table have of what a suite says once for all of its models."""
    found: dict[str, list[Any]] = {"seeds": [], "timesteps": [], "backbone": [], "recipe": []}
    for row in published.table.rows:
        values: dict[str, Any] = {"timesteps": row.timesteps}
        if "backbone" in row.identity:
            values["backbone"] = written(row.identity["backbone"]).model_dump(mode="json")
        for record in published.trainings([row]):
            if "recipe" in record.identity:  # neither a plug-in's model nor weights from a file
                values |= {"recipe": dict(record.identity["recipe"]), "seeds": list(row.seeds)}
        for name, value in values.items():
            if value not in found[name]:
                found[name].append(value)
    return found


def _table(stated: Any, published: Published) -> tuple[dict[str, Any], list[Problem]]:
    table = published.table
    given = dict(stated) if isinstance(stated, Mapping) else {}
    ours = {name: getattr(table, name) for name in HEADING}
    if table.dataset_title is None:  # one that is not there yet may be added
        del ours["dataset_title"]
    problems = [(f"table.{path}", message) for path, message in _differing(given, ours)]
    kept = {name: value for name, value in given.items() if name not in ours}
    return {**kept, **ours, "baseline": None}, problems


def _differing(stated: Mapping[str, Any], ours: Mapping[str, Any]) -> list[Problem]:
    return [
        (name, f"the suite says {stated[name]}, the table has {value}")
        for name, value in ours.items()
        if name in stated and stated[name] != value
    ]

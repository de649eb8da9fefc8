"""Content keys: cells of one key have the same result, so that a cell is computed once.

A key is made of everything that can change the result: components with their versions and all parameters, dataset,
sample ids, recipe, seed, timesteps, and the weights of every model that is used. Left out on purpose is what only
changes how a result is computed or shown: device, batch size, number of worker processes, executor, checkpointing;
the suite's name, its description, the names and labels of models and evaluations, and the settings of its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from robustbench_snn.digests import canonical, json_digest
from robustbench_snn.errors import UserError
from robustbench_snn.plan.cells import Cell, TrainCell
from robustbench_snn.registry import KINDS, Registry, evaluations
from robustbench_snn.registry.spec import ComponentSpec, component_spec

KEY_VERSION = 2  # 1 left out the versions of components that an evaluation runs, and the code of plug-ins
"""Raised when the way keys are made changes; every record is then computed anew."""

_RESOLVED = {"name", "version", "parameters"}


def key_of(cell: Cell, weights: Mapping[str, str] | None = None) -> str:
    """The content key of a cell.

    Args:
        cell: a training, or an evaluation whose models are trained.
        weights: for an evaluation, sha256 of the weights of its own model and of every other model that its result
            depends on (:meth:`robustbench_snn.plan.plan.Plan.models_behind`), by ``model@seed``.

    Returns:
        A sha256 in hexadecimal.

    Raises:
        UserError: if the weights of an evaluation's own model are not there.
    """
    return json_digest(_content(cell, weights))


def key_content(cell: Cell, weights: Mapping[str, str] | None = None) -> dict[str, Any]:
    """All that the key of a cell is the hash of, as plain JSON; its record keeps it, so that the key can be checked.

    Arguments and errors are those of :func:`key_of`.
    """
    plain: dict[str, Any] = canonical(_content(cell, weights))
    return plain


def _content(cell: Cell, weights: Mapping[str, str] | None) -> dict[str, Any]:
    if isinstance(cell, TrainCell):
        return _versioned(kind="train", **cell.identity)
    peers = dict(weights or {})
    own = peers.pop(cell.train.peer_name, None)
    if own is None:
        raise UserError(f"{cell.train.title} has not been done, or failed: its evaluations cannot run")
    return _versioned(kind="evaluate", weights=own, peers=peers, **cell.identity)


def content_key(**content: Any) -> str:
    """sha256, in hexadecimal, of the canonical JSON of some content."""
    return json_digest(_versioned(**content))


def _versioned(**content: Any) -> dict[str, Any]:
    return {"key_version": KEY_VERSION, **content}


def resolved(component: ComponentSpec, registry: Registry[Any, Any]) -> dict[str, Any]:
    """A component as keys hold it: name, version, all parameters with defaults filled in, and the source of plug-ins.

    Components that parameters name are resolved in their place.
    """
    found = registry.get(component.name)
    parameters = _resolved_value(found.validate(component.parameters))
    source = {"source": dict(found.source)} if found.source else {}
    return {"name": component.name, "version": found.declaration.version, "parameters": parameters, **source}


def resolved_evaluation(component: ComponentSpec) -> dict[str, Any]:
    """An evaluation as keys hold it, with the versions of all components that it runs and the files that it reads."""
    evaluation = component.create("evaluations")
    identity = resolved(component, evaluations) | {"components": versions(evaluation.components())}
    if content := evaluation.content():  # what the files hold counts, not where they are
        identity["content"] = dict(content)
        for name in evaluation.places:
            identity["parameters"].pop(name)
    return identity


def listed(evaluation: ComponentSpec) -> dict[str, Any]:
    """An evaluation as a protocol lists it: as keys hold it, with its column's label and how many samples it takes."""
    limit = {} if evaluation.limit is None else {"limit": evaluation.limit}
    return {"label": evaluation.title, **limit, **resolved_evaluation(evaluation)}


def written(resolved: Mapping[str, Any]) -> ComponentSpec:
    """A component as a key holds it, as a suite file writes it; an evaluation with its column's label and its limit."""
    label = resolved.get("label")
    labelled = {"label": label} if label not in (None, resolved["name"]) else {}
    found = component_spec({"name": resolved["name"], **labelled, **_plain(resolved["parameters"])})
    return found.model_copy(update={"limit": resolved.get("limit")})


def _plain(value: Any) -> Any:
    """Components that parameters name, in the form that is read back."""
    if isinstance(value, Mapping):
        if _RESOLVED <= set(value) <= _RESOLVED | {"source"}:
            return {"name": value["name"], **_plain(value["parameters"])}
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def versions(components: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Version of each component, and the source of those from outside, by ``kind/name``."""
    found = {(kind, name): KINDS[kind].get(name) for kind, name in components}
    return {
        f"{kind}/{name}": [component.declaration.version, *component.source.values()]
        for (kind, name), component in sorted(found.items())
    }


def _resolved_value(value: Any) -> Any:
    if isinstance(value, ComponentSpec) and value.kind is not None:
        return resolved(value, KINDS[value.kind])
    if isinstance(value, BaseModel):
        return {name: _resolved_value(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {key: _resolved_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved_value(item) for item in value]
    return value

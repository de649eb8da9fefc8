"""Content keys: cells of one key have the same result, so that a cell is computed once.

A key is made of everything that can change the result: components with their versions and all parameters, dataset,
sample ids, recipe, seed, timesteps, and the weights of every model that is used. Left out on purpose is what only
changes how a result is computed or shown: device, batch size, number of worker processes, executor, checkpointing;
the suite's name, its description, the names and labels of models and evaluations, and the settings of its table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from robustbench_snn.errors import UserError
from robustbench_snn.plan.cells import Cell, TrainCell
from robustbench_snn.registry import Registry
from robustbench_snn.registry.spec import ComponentSpec

KEY_VERSION = 1
"""Raised when the way keys are made changes; every record is then computed anew."""


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
    if isinstance(cell, TrainCell):
        return content_key(kind="train", **cell.identity)
    peers = dict(weights or {})
    own = peers.pop(cell.train.peer_name, None)
    if own is None:
        raise UserError(f"{cell.train.title} has not been done, or failed: its evaluations cannot run")
    return content_key(kind="evaluate", weights=own, peers=peers, **cell.identity)


def content_key(**content: Any) -> str:
    """sha256, in hexadecimal, of the canonical JSON of some content."""
    text = json.dumps({"key_version": KEY_VERSION, **content}, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def resolved(component: ComponentSpec, registry: Registry[Any, Any]) -> dict[str, Any]:
    """A component as keys hold it: name, version and all parameters, defaults filled in."""
    found = registry.get(component.name)
    return {
        "name": component.name,
        "version": found.declaration.version,
        "parameters": found.validate(component.parameters),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} {value!r} cannot be part of a key")

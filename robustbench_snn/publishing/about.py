"""What is known of the components of an entry: description, paper, parameters."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from robustbench_snn.errors import UserError
from robustbench_snn.registry import KINDS

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


@dataclass(frozen=True)
class Part:
    """One component of an entry.

    Attributes:
        kind: ``encoder``, ``backbone``, ``model``.
        name: in suite files.
        version: that the entry was made with.
        summary: what it is; empty where this program does not know it.
        papers: arXiv numbers that its documentation names.
        parameters: name and value, in the order of the record.
        note: what a reader must know of the description; empty for nothing.
    """

    kind: str
    name: str
    version: str
    summary: str
    papers: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    note: str = ""


def parts(identity: Mapping[str, Any]) -> list[Part]:
    """The components that the identity of an entry names."""
    return [_part(kind, found) for kind, found in identity.items() if isinstance(found, Mapping) and "name" in found]


def _part(kind: str, found: Mapping[str, Any]) -> Part:
    name, version = str(found["name"]), str(found.get("version", ""))
    parameters = tuple(_flat(found.get("parameters", {})))
    registry = KINDS.get(f"{kind}s")
    if registry is None or name not in registry:
        return Part(kind, name, version, "", (), parameters, "This program has no such component: no description.")
    try:
        component = registry.get(name)
    except UserError:
        return Part(kind, name, version, "", (), parameters, "Its package cannot be imported here: no description.")
    module = sys.modules.get(component.implementation.__module__)
    text = f"{component.implementation.__doc__ or ''} {module.__doc__ if module else ''}"
    ours = str(component.declaration.version)
    note = f"Described as of version {ours}; this entry was made with version {version}." if ours != version else ""
    papers = tuple(dict.fromkeys(_ARXIV.findall(text)))
    return Part(kind, name, version, component.declaration.summary, papers, parameters, note if version else "")


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", str(value)))
    return found

"""A component as a key holds it."""

from __future__ import annotations

from typing import Any

from robustbench_snn.registry import KINDS
from robustbench_snn.registry.spec import ComponentSpec


def resolved(component: ComponentSpec, kind: str) -> dict[str, Any]:
    """A component for a cell's key: name, version and all parameters, defaults filled in."""
    found = KINDS[kind].get(component.name)
    return {
        "name": component.name,
        "version": found.declaration.version,
        "parameters": found.validate(component.parameters),
    }

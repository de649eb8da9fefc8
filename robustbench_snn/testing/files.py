"""Checking whatever a Python file registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from robustbench_snn.errors import UserError, did_you_mean
from robustbench_snn.registry import KINDS, ROOT, load_plugin
from robustbench_snn.testing.attack import check_attack
from robustbench_snn.testing.backbone import check_backbone
from robustbench_snn.testing.corruption import check_corruption
from robustbench_snn.testing.dataset import check_dataset
from robustbench_snn.testing.encoder import check_encoder
from robustbench_snn.testing.estimator import check_estimator
from robustbench_snn.testing.evaluation import check_evaluation
from robustbench_snn.testing.event_corruption import check_event_corruption
from robustbench_snn.testing.results import CheckResult

CHECKS: Mapping[str, Callable[..., list[CheckResult]]] = MappingProxyType(
    {
        "encoder": check_encoder,
        "backbone": check_backbone,
        "evaluation": check_evaluation,
        "attack": check_attack,
        "estimator": check_estimator,
        "corruption": check_corruption,
        "event_corruption": check_event_corruption,
        "dataset": check_dataset,
    }
)
"""The kit of each kind."""


def check_file(path: str | Path, kind: str | None = None, **parameters: Any) -> list[CheckResult]:
    """Imports a file and checks every component that it registers, presets included.

    Args:
        path: a plug-in of anyone's, or a file of the package itself.
        kind: a key of :data:`CHECKS`; all of them if None.
        **parameters: YAML parameters to build the components with.

    Returns:
        One result a check and component.

    Raises:
        UserError: if there is no such kind or parameter, or the file is missing, fails to import, or registers
            nothing that has checks.
    """
    if kind is not None and kind not in CHECKS:
        raise UserError(f"there are checks for {', '.join(CHECKS)}; not for '{kind}'")
    file = Path(path).resolve()
    origin = _shipped(file)
    if origin is None:
        load_plugin(file)
        origin = f"robustbench_snn_plugin_{file.stem}"
    kinds = list(CHECKS) if kind is None else [kind]
    found = [
        (wanted, name)
        for wanted in kinds
        for name in KINDS[f"{wanted}s"]
        if KINDS[f"{wanted}s"].declaration(name).origin == origin
    ]
    if not found:
        example = "encoder" if kind is None else kind
        raise UserError(f"{path} registers no {' or '.join(kinds)}; decorate one with @register_{example}")
    for wanted, name in found:
        _require_known(wanted, name, parameters)
    return [result for wanted, name in found for result in CHECKS[wanted](name, **parameters)]


def _require_known(kind: str, name: str, parameters: Mapping[str, Any]) -> None:
    """Refuses parameters that neither the component nor its kit takes."""
    settings = [p.name for p in signature(CHECKS[kind]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    component = (
        [] if kind in ("corruption", "event_corruption") else KINDS[f"{kind}s"].get(name).parameters.model_fields
    )
    known = sorted({*settings, *component})
    for parameter in parameters:
        if parameter not in known:
            hint = did_you_mean(parameter, known) or f" It takes: {', '.join(known) or 'no parameters'}."
            raise UserError(f"{kind} '{name}' has no parameter '{parameter}'.{hint}")


def _shipped(file: Path) -> str | None:
    """The module of a file that belongs to the package; loading it as a plug-in would register it twice."""
    for kind in ("encoders", "backbones", "suites", "datasets"):
        folder = (ROOT / kind).resolve()
        if file.is_file() and file.is_relative_to(folder):
            return ".".join(("robustbench_snn", kind, *file.relative_to(folder).with_suffix("").parts))
    return None

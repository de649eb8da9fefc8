"""Checking whatever a Python file registers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.registry import KINDS, ROOT, load_plugin
from robustbench_snn.testing.backbone import check_backbone
from robustbench_snn.testing.encoder import check_encoder
from robustbench_snn.testing.evaluation import check_evaluation
from robustbench_snn.testing.results import CheckResult

_CHECKS: dict[str, Callable[[str], list[CheckResult]]] = {
    "encoders": check_encoder,
    "backbones": check_backbone,
    "evaluations": check_evaluation,
}


def check_file(path: str | Path) -> list[CheckResult]:
    """Imports a file and checks every encoder, backbone and evaluation that it registers, presets included.

    Args:
        path: a plug-in of anyone's, or a file of the package itself.

    Returns:
        One result a check and component.

    Raises:
        UserError: if the file is missing, fails to import, or registers nothing that has checks.
    """
    file = Path(path).resolve()
    origin = _shipped(file)
    if origin is None:
        load_plugin(file)
        origin = f"robustbench_snn_plugin_{file.stem}"
    results = [
        result
        for kind, check in _CHECKS.items()
        for name in KINDS[kind]
        if KINDS[kind].declaration(name).origin == origin
        for result in check(name)
    ]
    if not results:
        raise UserError(f"{path} registers no encoder, backbone or evaluation; decorate a class with @register_encoder")
    return results


def _shipped(file: Path) -> str | None:
    """The module of a file that belongs to the package; loading it as a plug-in would register it twice."""
    for kind in ("encoders", "backbones", "suites"):
        folder = (ROOT / kind).resolve()
        if file.is_file() and file.is_relative_to(folder):
            return ".".join(("robustbench_snn", kind, *file.relative_to(folder).with_suffix("").parts))
    return None

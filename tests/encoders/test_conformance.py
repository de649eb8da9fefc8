"""Every registered encoder, presets included, passes every check of the shipped kit."""

from __future__ import annotations

from typing import Any

import pytest

from robustbench_snn.registry import encoders
from robustbench_snn.testing import check_encoder

CHANGED: list[tuple[str, dict[str, Any]]] = [
    ("stf", {"overrun": "interpolate"}),
    ("stf", {"overrun": "refuse"}),
    ("stf", {"feedback": "none", "embed": "none"}),
    ("stf", {"feedback": "image", "embed": "image", "activation": "plif"}),
    ("el", {"overrun": "interpolate"}),
    ("gac", {"overrun": "refuse"}),
    ("imp", {"scope": "encoder", "sigmoid": True}),
    ("per_step_bias", {"init": "zero"}),
    ("ttfs", {"backward": "straight-through"}),
    ("phase", {"backward": "straight-through"}),
    ("burst", {"backward": "straight-through"}),
    ("sigma_delta", {"backward": "straight-through", "threshold": 0.5}),
    *[(name, {"backward": "none"}) for name in ("rate", "signed_rate", "ttfs", "phase", "burst", "sigma_delta")],
]


@pytest.mark.parametrize(
    ("name", "parameters"), [*((name, {}) for name in encoders), *CHANGED], ids=lambda value: str(value)
)
def test_conformance(name: str, parameters: dict[str, Any]) -> None:
    failed = [f"{result.name}: {result.reason}" for result in check_encoder(name, **parameters) if not result.passed]
    assert not failed, "\n".join(failed)

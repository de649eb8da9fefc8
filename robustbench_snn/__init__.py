"""The robustness benchmark for spiking neural networks.

From a suite file to a published, versioned leaderboard: ``rbsnn run suite.yaml``. From Python:
:func:`evaluate`, :func:`corrupt` and :func:`import_weights`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "corrupt", "evaluate", "import_weights"]

if TYPE_CHECKING:
    from robustbench_snn.api import evaluate
    from robustbench_snn.corruption.contract import corrupt
    from robustbench_snn.weights.importing import import_weights

_HOMES = {
    "corrupt": "robustbench_snn.corruption.contract",
    "evaluate": "robustbench_snn.api",
    "import_weights": "robustbench_snn.weights.importing",
}


def __getattr__(name: str) -> Any:
    """Imports the public functions, and torch with them, only when one is used: the CLI must start fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)

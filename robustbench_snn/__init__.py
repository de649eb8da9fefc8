"""The robustness benchmark for spiking neural networks.

From a suite file to a published, versioned leaderboard: ``rbsnn run suite.yaml``. From Python:

- :func:`evaluate`: any model, on any images, by any evaluation, in one call;
- :func:`compare`: whether one model is more robust than another, over training seeds and samples;
- :func:`load_table`: a published table, as data and in notebooks; :func:`run`: a suite, to its table;
- :func:`corrupt`: images under a common corruption;
- :func:`import_weights`: checkpoints of other codebases;
- :mod:`robustbench_snn.plugins`: what encoders, backbones, attacks and other components are written with.
"""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0"

# Public functions, and torch with them, are imported only when one is used: the command line must start fast.
_public = lazy_loader.attach_stub(__name__, __file__)
__getattr__ = _public[0]
__all__ = ["__version__", *_public[2]]


def __dir__() -> list[str]:
    return [*__all__, "plugins"]

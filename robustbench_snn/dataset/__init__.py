"""Datasets, one a file: :func:`load_dataset` gives their train, validation and test samples.

A dataset is a function under ``@register_dataset("name", version=1)`` whose keyword-only parameters are its YAML
parameters and which returns a :class:`Dataset`, usually by :func:`build`.
"""

from __future__ import annotations

from robustbench_snn.dataset.contract import (
    Dataset,
    Limit,
    Share,
    build,
    load_dataset,
    register_dataset,
)

__all__ = ["Dataset", "Limit", "Share", "build", "load_dataset", "register_dataset"]

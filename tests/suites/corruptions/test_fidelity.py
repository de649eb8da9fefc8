"""Agreement with the output of the original CIFAR-10-C generator.

Needs RBSNN_CIFAR_C_GOLDEN (an npz of its output) and, for the stochastic types, RBSNN_CIFAR10_PARQUET (a folder
with CIFAR-10's test.parquet).
"""

from __future__ import annotations

import io
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from robustbench_snn.corruption.contract import EXTRA, STANDARD
from robustbench_snn.corruption.generate import corrupt
from robustbench_snn.registry import corruptions

GOLDEN = os.environ.get("RBSNN_CIFAR_C_GOLDEN", "")
PARQUET = os.environ.get("RBSNN_CIFAR10_PARQUET", "")
STOCHASTIC = [n for n in (*STANDARD, *EXTRA) if corruptions.declaration(n).traits.stochastic]
DETERMINISTIC = [n for n in (*STANDARD, *EXTRA) if n not in STOCHASTIC]
SEEDS = 3

needs_golden = pytest.mark.skipif(not GOLDEN, reason="RBSNN_CIFAR_C_GOLDEN is not set")
needs_both = pytest.mark.skipif(not (GOLDEN and PARQUET), reason="RBSNN_CIFAR_C_GOLDEN or RBSNN_CIFAR10_PARQUET unset")


@lru_cache(maxsize=1)
def golden() -> dict[str, npt.NDArray[Any]]:
    with np.load(GOLDEN, allow_pickle=False) as file:
        return dict(file)


@lru_cache(maxsize=1)
def cifar_rows() -> npt.NDArray[np.uint8]:
    from pyarrow.parquet import read_table

    first, last = golden()["stats_rows"].tolist()
    rows = read_table(Path(PARQUET) / "test.parquet").slice(first, last - first).to_pylist()
    return np.stack([np.array(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")) for row in rows])


def within_one_level(name: str, ours: int, theirs: int) -> float:
    corrupted = corrupt(golden()["images"], name, ours).astype(int)
    return float((np.abs(corrupted - golden()[name][theirs - 1]) <= 1).mean())


@needs_golden
@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_types_agree_with_the_original(name: str, severity: int) -> None:
    assert within_one_level(name, severity, severity) >= 0.995


@needs_golden
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_deterministic_severities_are_told_apart(name: str) -> None:
    for ours in range(1, 6):
        for theirs in range(1, 6):
            if ours != theirs:
                assert within_one_level(name, ours, theirs) < 0.995, (ours, theirs)


@needs_both
@pytest.mark.parametrize("severity", range(1, 6))
@pytest.mark.parametrize("name", STOCHASTIC)
def test_stochastic_types_agree_in_distribution(name: str, severity: int) -> None:
    images = cifar_rows()
    expected = json.loads(str(golden()["stats_json"]))[name][severity - 1]
    changes, gradients = [], []
    for seed in range(SEEDS):
        corrupted = corrupt(images, name, severity, seed).astype(float)
        changes.append(np.abs(corrupted - images).mean())
        gradients.append(np.abs(np.diff(corrupted, axis=2)).mean())
    tolerance = 0.1 if name == "spatter" else 0.05
    assert np.mean(changes) == pytest.approx(expected["mean_abs_change"][0], rel=tolerance)
    assert np.mean(gradients) == pytest.approx(expected["mean_abs_horizontal_gradient"], rel=tolerance)

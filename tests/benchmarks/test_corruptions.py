"""Images a second of every corruption, beside imagecorruptions-imaug where that can be imported.

    pytest tests/benchmarks/test_corruptions.py --benchmark-only --benchmark-group-by=param:name

Both make the five severities of the same images. The other generator knows ImageNet-C's parameters only, so ours is
measured with the CIFAR-10-C ones that it publishes and, for the ratio, with ImageNet-C's as well. It runs on one
core by itself, ours on as many as torch is given. Times are reported, never asserted.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from robustbench_snn.corruption.contract import EXTRA, SEVERITIES, STANDARD
from robustbench_snn.corruption.generate import corrupt
from robustbench_snn.errors import UserError

NAMES = (*STANDARD, *EXTRA)
OURS, THEIRS = 1000, 20
PARQUET = os.environ.get("RBSNN_CIFAR10_PARQUET", "")


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.uint8]:
    """CIFAR-10 test images if there are any, else noise of their size."""
    if not PARQUET:
        return np.random.default_rng(0).integers(0, 256, (OURS, 32, 32, 3), dtype=np.uint8)
    from pyarrow.parquet import read_table

    rows = read_table(Path(PARQUET) / "test.parquet").slice(0, OURS).to_pylist()
    return np.stack([np.array(Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")) for row in rows])


def corrupt_all(images: npt.NDArray[np.uint8], name: str, parameters: Literal["cifar", "imagenet"]) -> None:
    for severity in SEVERITIES:
        corrupt(images, name, severity, parameters=parameters)


@pytest.mark.parametrize("parameters", ["cifar", "imagenet"])
@pytest.mark.parametrize("name", NAMES)
def test_ours(benchmark: Any, images: npt.NDArray[np.uint8], name: str, parameters: Any) -> None:
    try:
        corrupt_all(images[:16], name, parameters)
    except UserError as error:
        pytest.skip(str(error))
    benchmark.pedantic(corrupt_all, (images, name, parameters), rounds=1)
    benchmark.extra_info["images_per_second"] = len(images) * len(SEVERITIES) / benchmark.stats["min"]


@pytest.mark.parametrize("name", NAMES)
def test_imagecorruptions(benchmark: Any, images: npt.NDArray[np.uint8], name: str) -> None:
    theirs = pytest.importorskip("imagecorruptions", exc_type=ImportError)

    def run() -> None:
        for severity in SEVERITIES:
            for image in images[:THEIRS]:
                theirs.corrupt(image, corruption_name=name, severity=severity)

    theirs.corrupt(images[0], corruption_name=name, severity=1)  # numba compiles on the first call
    benchmark.pedantic(run, rounds=1)
    benchmark.extra_info["images_per_second"] = THEIRS * len(SEVERITIES) / benchmark.stats["min"]

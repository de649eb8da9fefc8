"""Broken components are registered as ``broken``, one at a time, and forgotten after each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from robustbench_snn.registry import KINDS


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    for registry in KINDS.values():
        registry._loaded.pop("broken", None)

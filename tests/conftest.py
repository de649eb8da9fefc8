"""Settings of the whole test session."""

from __future__ import annotations

import os
import tempfile

import pytest
import torch
from hypothesis import HealthCheck, settings

# No test asserts a time: a machine that is busy draws examples slowly, and nothing is wrong.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Small tensors gain nothing from threads, and pytest-xdist's workers would fight over the cores.
torch.set_num_threads(1)

# Digests of the files that tests make are not to be left in the home folder.
_cache = tempfile.TemporaryDirectory()
os.environ["RBSNN_CACHE"] = _cache.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: one that begins last would keep a single worker busy."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)

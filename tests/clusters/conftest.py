"""The numbers that one process finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clusters.planned import left_by, numbers, session


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = session(tmp_path_factory.mktemp("one"))
    return numbers(run, left_by(run))

"""A few damaged files of every format; docs/scripts/fuzz_files.py tries thousands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzzing.formats import FORMATS
from tests.fuzzing.running import fuzz


@pytest.mark.parametrize("name", list(FORMATS))
def test_damaged_files_of_a_format_are_read_or_refused(name: str, tmp_path: Path) -> None:
    found = fuzz(FORMATS[name], range(30), tmp_path)
    assert found.wrong == {}
    assert found.refused + found.read == 30
    assert found.refused >= (0 if name == "index.json" else 10)  # what differs in a list is a finding

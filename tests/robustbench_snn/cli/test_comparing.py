"""``rbsnn compare`` on the published tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixture_types import RunCommand

RESULTS = Path(__file__).resolve().parents[3] / "results"


def test_two_models_of_a_published_table(rbsnn: RunCommand) -> None:
    shown = rbsnn("compare", "quickstart:imp", "direct", "--results", RESULTS)
    assert shown.returncode == 0, shown.stderr
    assert "pgd: No difference found between imp and direct" in " ".join(shown.stdout.split())
    data = json.loads(rbsnn("compare", "quickstart:imp", "direct", "--results", RESULTS, "--format", "json").stdout)
    (version,) = set(data["places"])
    published = json.loads((RESULTS / version / "table.json").read_text())
    row = next(row for row in published["rows"] if row["model"] == "imp")
    for found in data["rows"]:
        against = row["cells"][found["label"]]["against"]
        assert found["comparison"]["difference"] == pytest.approx(against["difference"])
        assert found["comparison"]["p_value"] == pytest.approx(against["p_value"])


def test_other_corruptions_are_refused_by_their_first_difference(rbsnn: RunCommand) -> None:
    refused = rbsnn("compare", f"{RESULTS}/digits-encoders/v3.0:stf", f"{RESULTS}/quickstart/v3.0:imp")
    assert refused.returncode == 2
    assert "parameters/types[0]" in refused.stderr
    assert "Traceback" not in refused.stderr

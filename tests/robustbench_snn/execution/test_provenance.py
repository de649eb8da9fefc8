"""A record's command tells no folder of the machine that ran it."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_snn.execution.provenance import without_places


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("HERE/suites/mine.yaml", "suites/mine.yaml"),
        ("/somewhere/else/mine.yaml", "mine.yaml"),
        ("--store=/somewhere/runs", "--store=runs"),
        ("dataset.root=/data/cifar", "dataset.root=cifar"),
        ("../beside/mine.yaml", "mine.yaml"),
        ("suites/../mine.yaml", "mine.yaml"),
        ("suites/mine.yaml", "suites/mine.yaml"),
        ("quickstart", "quickstart"),
        ("models.0.name=a..b", "models.0.name=a..b"),
        ("--jobs", "--jobs"),
        ("HERE", "."),
        ("/", "/"),
        ("", ""),
    ],
)
def test_an_argument_keeps_what_a_reader_can_use(
    word: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert without_places(word.replace("HERE", str(tmp_path))) == told

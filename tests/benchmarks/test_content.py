"""What the digest of ten thousand images costs, read or remembered (``pytest --benchmark-only``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.dataset import content
from robustbench_snn.dataset.content import cache_file, digest_of, forget


@pytest.mark.parametrize("remembered", [False, True])
def test_ten_thousand_images(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remembered: bool) -> None:
    monkeypatch.setenv("RBSNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "SETTLED_SECONDS", -60.0)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"{number}.png").write_bytes(number.to_bytes(4, "big") * 600)
    first = digest_of(folder)
    setup = None if remembered else forget
    again = benchmark.pedantic(digest_of, (folder,), setup=setup, rounds=5)
    assert again == first
    assert cache_file().exists()

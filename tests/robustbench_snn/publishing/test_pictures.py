"""Pictures show the images that were kept, and only where a store holds them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.publishing.pictures import pictures
from robustbench_snn.publishing.version_page import Published
from robustbench_snn.store.store import Store
from tests import stored_cells
from tests.tables import row, score, table

CLEAN = np.linspace(0, 1, 2 * 8 * 8, dtype=np.float32).reshape(2, 1, 8, 8)
CHANGE = np.where(np.arange(8) % 2, 0.0, -0.1).astype(np.float32)


def test_three_rows_clean_attacked_and_changed(tmp_path: Path) -> None:
    store = Store(tmp_path / "with")
    training = stored_cells.train(store)
    record = stored_cells.evaluate(store, training)

    def fill(folder: Path) -> None:
        stored_cells.fill(folder)
        np.savez(folder / "arrays.npz", clean=CLEAN, adversarial=np.clip(CLEAN + CHANGE, 0, 1))

    record = store.write(record, fill, replace=True)
    entry = row("m", clean=score(records=(record.key,)))
    one = Published(
        "tab", Version(1, 0), table(entry), "", None, {record.key: record}, {"m": "m"}, folder=tmp_path / "nowhere"
    )
    ((name, content),) = pictures(store, one, entry).items()
    assert name == "pictures-1.png"
    pixels = np.asarray(Image.open(io.BytesIO(content)))[4::8, 4::8, 0] / 255  # a pixel is eight wide
    assert pixels.shape == (3 * 8, 2 * 8)
    assert np.abs(pixels[:8] - np.concatenate(list(CLEAN[:, 0]), axis=1)).max() < 0.003
    attacked = np.concatenate(list(np.clip(CLEAN + CHANGE, 0, 1)[:, 0]), axis=1)
    assert np.abs(pixels[8:16] - attacked).max() < 0.003
    assert np.abs(pixels[16:, 1::2] - 0.5).max() < 0.003, "no change is grey"
    darkened = np.concatenate(list(CLEAN[:, 0]), axis=1)[:, ::2] >= 0.1
    assert (pixels[16:, ::2][darkened] == 0).all(), "the largest change is black"
    assert pictures(Store(tmp_path / "without"), one, entry) == {}

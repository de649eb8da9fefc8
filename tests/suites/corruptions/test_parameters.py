"""The parameter tables, column by column, as published: a swap of two severities fails here on any machine."""

from __future__ import annotations

import pytest

from robustbench_snn.registry import corruptions

Columns = tuple[tuple[float, ...], ...]

CIFAR: dict[str, Columns] = {
    "gaussian_noise": ((0.04, 0.06, 0.08, 0.09, 0.10),),
    "shot_noise": ((500, 250, 100, 75, 50),),
    "impulse_noise": ((0.01, 0.02, 0.03, 0.05, 0.07),),
    "speckle_noise": ((0.06, 0.1, 0.12, 0.16, 0.2),),
    "gaussian_blur": ((0.4, 0.6, 0.7, 0.8, 1),),
    "glass_blur": ((0.05, 0.25, 0.4, 0.25, 0.4), (1,) * 5, (1, 1, 1, 2, 2)),
    "defocus_blur": ((0.3, 0.4, 0.5, 1, 1.5), (0.4, 0.5, 0.6, 0.2, 0.1)),
    "motion_blur": ((6, 6, 6, 8, 9), (1, 1.5, 2, 2, 2.5)),
    "zoom_blur": ((1.06, 1.11, 1.16, 1.21, 1.26), (0.01,) * 5),
    "fog": ((0.2, 0.5, 0.75, 1, 1.5), (3, 3, 2.5, 2, 1.75)),
    "frost": ((1, 1, 0.9, 0.85, 0.75), (0.2, 0.3, 0.4, 0.4, 0.45), (5,) * 5),
    "snow": (
        (0.1, 0.1, 0.15, 0.25, 0.3),
        (0.2, 0.2, 0.3, 0.3, 0.3),
        (1, 1, 1.75, 2.25, 1.25),
        (0.6, 0.5, 0.55, 0.6, 0.65),
        (8, 10, 10, 12, 14),
        (3, 4, 4, 6, 12),
        (0.95, 0.9, 0.9, 0.85, 0.8),
    ),
    "spatter": (
        (0.62, 0.65, 0.65, 0.65, 0.65),
        (0.1, 0.1, 0.3, 0.1, 0.1),
        (0.7, 0.8, 1, 0.7, 0.5),
        (0.7, 0.7, 0.69, 0.69, 0.68),
        (0.5, 0.5, 0.5, 0.6, 0.6),
        (0, 0, 0, 1, 1),
    ),
    "brightness": ((0.05, 0.1, 0.15, 0.2, 0.3),),
    "contrast": ((0.75, 0.5, 0.4, 0.3, 0.15),),
    "saturate": ((0.3, 0.1, 1.5, 2, 2.5), (0, 0, 0, 0.1, 0.2)),
    "jpeg_compression": ((80, 65, 58, 50, 40),),
    "pixelate": ((0.95, 0.9, 0.85, 0.75, 0.65),),
    "elastic_transform": (
        tuple(32 * a for a in (0, 0.05, 0.08, 0.1, 0.1)),
        tuple(32 * s for s in (0, 0.2, 0.06, 0.04, 0.03)),
        tuple(32 * p for p in (0.08, 0.07, 0.06, 0.05, 0.03)),
        (32,) * 5,
    ),
}

IMAGENET: dict[str, Columns] = {
    "gaussian_noise": ((0.08, 0.12, 0.18, 0.26, 0.38),),
    "shot_noise": ((60, 25, 12, 5, 3),),
    "impulse_noise": ((0.03, 0.06, 0.09, 0.17, 0.27),),
    "speckle_noise": ((0.15, 0.2, 0.35, 0.45, 0.6),),
    "gaussian_blur": ((1, 2, 3, 4, 6),),
    "glass_blur": ((0.7, 0.9, 1, 1.1, 1.5), (1, 2, 2, 3, 4), (2, 1, 3, 2, 2)),
    "defocus_blur": ((3, 4, 6, 8, 10), (0.1, 0.5, 0.5, 0.5, 0.5)),
    "motion_blur": ((10, 15, 15, 15, 20), (3, 5, 8, 12, 15)),
    "zoom_blur": ((1.11, 1.16, 1.21, 1.26, 1.31), (0.01, 0.01, 0.02, 0.02, 0.03)),
    "fog": ((1.5, 2, 2.5, 2.5, 3), (2, 2, 1.7, 1.5, 1.4)),
    "frost": ((1, 0.8, 0.7, 0.65, 0.6), (0.4, 0.6, 0.7, 0.7, 0.75), (1,) * 5),
    "snow": (
        (0.1, 0.2, 0.55, 0.55, 0.55),
        (0.3,) * 5,
        (3, 2, 4, 4.5, 2.5),
        (0.5, 0.5, 0.9, 0.85, 0.85),
        (10, 12, 12, 12, 12),
        (4, 4, 8, 8, 12),
        (0.8, 0.7, 0.7, 0.65, 0.55),
    ),
    "spatter": (
        (0.65, 0.65, 0.65, 0.65, 0.67),
        (0.3, 0.3, 0.3, 0.3, 0.4),
        (4, 3, 2, 1, 1),
        (0.69, 0.68, 0.68, 0.65, 0.65),
        (0.6, 0.6, 0.5, 1.5, 1.5),
        (0, 0, 0, 1, 1),
    ),
    "brightness": ((0.1, 0.2, 0.3, 0.4, 0.5),),
    "contrast": ((0.4, 0.3, 0.2, 0.1, 0.05),),
    "saturate": ((0.3, 0.1, 2, 5, 20), (0, 0, 0, 0.1, 0.2)),
    "jpeg_compression": ((25, 18, 15, 10, 7),),
    "pixelate": ((0.6, 0.5, 0.4, 0.3, 0.25),),
    "elastic_transform": (
        tuple(244 * a for a in (2, 2, 0.05, 0.07, 0.12)),
        tuple(244 * s for s in (0.7, 0.08, 0.01, 0.01, 0.01)),
        tuple(244 * p for p in (0.1, 0.2, 0.02, 0.02, 0.02)),
        (224,) * 5,
    ),
}


@pytest.mark.parametrize(("which", "tables"), [("cifar", CIFAR), ("imagenet", IMAGENET)])
def test_tables(which: str, tables: dict[str, Columns]) -> None:
    assert len(tables) == 19
    for name, columns in tables.items():
        rows = getattr(corruptions.declaration(name).traits, which)
        assert len(rows) == 5
        for row, expected in zip(rows, zip(*columns, strict=True), strict=True):
            assert row == pytest.approx(expected), name

"""Position embeddings against their formulas, one element at a time."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_snn.errors import UserError
from robustbench_snn.model.position_embedding import (
    PositionEmbedding,
    image_position_embedding,
    sincos_position_embedding,
)


def feature_value(c: int, t: int, y: int, x: int, channels: int) -> float:
    quarter, rest = channels // 4, 3 * channels // 8
    if c < quarter:
        position, index, size = t, c, quarter
    elif c < quarter + rest:
        position, index, size = x, c - quarter, rest
    else:
        position, index, size = y, c - quarter - rest, rest
    half = size // 2
    wave = position * 10000.0 ** (-(index % half) / half)
    return math.sin(wave) if index < half else math.cos(wave)


@pytest.mark.parametrize(("steps", "channels", "height", "width"), [(4, 48, 5, 7), (1, 16, 3, 2), (6, 32, 4, 4)])
def test_feature_form(steps: int, channels: int, height: int, width: int) -> None:
    table = sincos_position_embedding(steps, channels, height, width)
    assert table.shape == (steps, channels, height, width)
    assert table.dtype == torch.float32
    for t in range(steps):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    wanted = feature_value(c, t, y, x, channels)
                    assert float(table[t, c, y, x]) == pytest.approx(wanted, abs=1e-7)


def image_value(c: int, position: int, channels: int) -> float:
    angle = position / 10000.0 ** (2 * (c // 2) / channels)
    return math.sin(angle) if c % 2 == 0 else math.cos(angle)


@pytest.mark.parametrize(("steps", "channels", "height", "width"), [(4, 3, 5, 7), (2, 1, 3, 4)])
def test_image_form(steps: int, channels: int, height: int, width: int) -> None:
    table = image_position_embedding(steps, channels, height, width)
    for t in range(steps):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    wanted = image_value(c, y * width + x, channels) + image_value(c, t, channels)
                    assert float(table[t, c, y, x]) == pytest.approx(wanted, abs=1e-6)


def test_rules_beyond_the_table() -> None:
    table = torch.arange(3.0).reshape(3, 1, 1, 1) ** 2  # 0, 1, 4
    values = {rule: PositionEmbedding(table, rule) for rule in ("hold", "interpolate", "refuse")}
    assert values["hold"](5).flatten().tolist() == [0, 1, 4, 4, 4]
    assert values["interpolate"](5).flatten().tolist() == [0, 0.5, 1, 2.5, 4]
    for embedding in values.values():
        assert embedding(2).flatten().tolist() == [0, 1]
    with pytest.raises(UserError, match="cannot serve 5"):
        values["refuse"](5)


def test_phrases_for_the_record() -> None:
    embedding = PositionEmbedding(torch.zeros(4, 1), "interpolate")
    assert [embedding.describe(t) for t in (2, 4, 9)] == ["first 2 of 4 maps", "as trained", "interpolate beyond 4"]


def test_the_table_is_trained() -> None:
    embedding = PositionEmbedding(torch.zeros(4, 2))
    embedding(6).sum().backward()
    assert embedding.table.grad is not None
    assert embedding.table.grad[:, 0].tolist() == [1, 1, 1, 3]


def test_channels_must_divide() -> None:
    with pytest.raises(UserError, match="multiple of 16"):
        sincos_position_embedding(4, 20, 2, 2)

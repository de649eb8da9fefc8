"""Square: its shapes against loops over the paper's formulas, and its strength against the authors' code."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.attack.active_set import ActiveSet
from robustbench_snn.attack.as_module import AsModule
from robustbench_snn.attack.ball import Ball
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.target import Target
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import attacks
from robustbench_snn.suites.attacks._windows import Window, bumps, shifted
from tests.attack_models import Linear, held_out, trained

torch.set_num_threads(1)


def looped_bump(height: int, width: int) -> np.ndarray:
    """Rings of ones around the centre, the ring number j worth 1 / (j + 1)^2, one added after the other."""
    found = np.zeros((height, width))
    for ring in range(width // 2 + 1):
        for row in range(height):
            for column in range(width):
                if max(abs(row - height // 2), abs(column - width // 2)) <= ring:
                    found[row, column] += 1 / (ring + 1) ** 2
    result: np.ndarray = found / max(float(np.linalg.norm(found)), 1e-12)
    return result


def streams(count: int) -> SampleRandom:
    return SampleRandom.for_samples("square", sample_ids=range(count))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 9])
def test_bumps_equal_loops_and_turn_by_a_right_angle(side: int) -> None:
    window = Window.draw(streams(6), 9, 10, torch.full((6,), side))
    upright, turned = bumps(window), bumps(window.turned(torch.ones(6, 1, 1, 1, dtype=torch.bool)))
    half = side // 2
    expected = np.concatenate([looped_bump(half, side), -looped_bump(side - half, side)])
    expected /= np.linalg.norm(expected)
    for image, other, inside in zip(upright[:, 0], turned[:, 0], window.inside[:, 0], strict=True):
        top, left = (int(where.min()) for where in inside.nonzero(as_tuple=True))
        spot = slice(top, top + side), slice(left, left + side)
        np.testing.assert_allclose(image[spot], expected, atol=1e-6)
        np.testing.assert_allclose(other[spot], expected.T, atol=1e-6)
        assert image[~inside].eq(0).all()
        assert other[~inside].eq(0).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), side=st.integers(2, 8), fill=st.floats(0, 1), channels=st.integers(1, 3))
def test_shifting_spends_the_whole_budget(seed: int, side: int, fill: float, channels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(4, channels, 8, 8, generator=generator)
    delta *= 0.7 * fill / delta.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    random = streams(4).fold(seed)
    window, other = (Window.draw(random.fold(name), 8, 8, torch.full((4,), side)) for name in ("into", "out of"))
    pattern = random.signs(channels, 1, 1) * bumps(window)
    moved = shifted(delta, pattern, window.inside, other.inside, 0.7)
    np.testing.assert_allclose(moved.flatten(1).norm(dim=1), 0.7, rtol=1e-4)
    gone = (other.inside & ~window.inside).expand_as(moved)
    same = ~(other.inside | window.inside).expand_as(moved)
    assert moved[gone].eq(0).all()
    assert torch.equal(moved[same], delta[same])


def test_the_search_in_l2_begins_with_a_grid_of_bumps_that_fills_the_ball() -> None:
    clean = torch.full((3, 2, 11, 12), 0.5)
    samples = ArraySamples(clean, torch.zeros(3, dtype=torch.int64))
    target, (batch,) = Target(Linear(2 * 11 * 12)), samples.batches(3)
    with target.frozen():
        active = ActiveSet(target, batch, Ball(0.3, "l2"), batch.random("grid"), batch_size=3, leave=False)
        attacks.create("square", queries=1).run(active)
    delta = active.best - clean
    np.testing.assert_allclose(delta.flatten(1).norm(dim=1), 0.3, rtol=1e-5)
    assert delta[:, :, 10:].eq(0).all(), "five tiles of two rows"
    tiles = delta[:, :, :10].unfold(2, 2, 2).unfold(3, 2, 2)
    signs = tiles[..., :1, :1].sign()
    one = (tiles * signs)[0, 0, 0, 0]
    torch.testing.assert_close(tiles, signs * one.expand_as(tiles))
    assert set(signs.unique().tolist()) == {-1.0, 1.0}


class Holes(nn.Module):
    """A linear model whose answer is NaN in three of a hundred images."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Linear(64, classes=4)

    def forward(self, images: Tensor) -> Tensor:
        hole = (images.double().flatten(1).sum(1) * 997) % 1.0 < 0.03
        return torch.where(hole[:, None], torch.nan, self.model(images))


def test_an_answer_that_is_not_a_number_is_wrong_whatever_the_batch_size() -> None:
    images = 0.2 + 0.6 * torch.rand(24, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    model = Holes()
    labels = model.model(images).argmax(1)
    entry = {"attack": {"attack": {"square": {"queries": 60}}, "eps": 0.02}}
    found = [evaluate(model, images, labels, [entry], batch_size=size)[0] for size in (1, 8, 64)]
    for other in found[1:]:
        for column in ("correct", "queries"):
            assert other.columns[column].tolist() == found[0].columns[column].tolist()
    (finite,) = evaluate(model.model, images, labels, [entry])
    assert found[0].accuracy < finite.accuracy < 1.0


def official(images: Tensor, labels: Tensor, eps: float, norm: str, queries: int) -> Tensor:
    pyautoattack = pytest.importorskip("pyautoattack")
    target = Target(trained())
    with target.frozen():
        attack = pyautoattack.AutoAttack(
            AsModule(target), norm=norm, eps=eps, version="custom", attacks=["square"], device="cpu", seed=0
        )
        attack.square.n_queries, attack.square.rescale_schedule = queries, True
        found = attack.run_standard_evaluation(images, labels, batch_size=len(images))
        adversarial = found if isinstance(found, Tensor) else found[0]
        return correct(target(adversarial), labels)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.12), ("l2", 0.9)])
def test_as_strong_as_the_authors_code(norm: str, eps: float) -> None:
    """No weaker but for the luck of a few samples; their squares never reach an image's last row and column."""
    images, labels = held_out(64)
    entry = {"attack": {"attack": {"square": {"queries": 400}}, "eps": eps, "norm": norm}}
    (own,) = evaluate(trained(), images, labels, [entry])
    theirs = float(official(images, labels, eps, {"linf": "Linf", "l2": "L2"}[norm], 400).float().mean())
    assert 0.1 < theirs < 0.8, "the comparison says something"
    assert own.accuracy <= theirs + 0.06

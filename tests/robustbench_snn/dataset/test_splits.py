"""Splits and orders: fixed, balanced, and prefixes of one another."""

from __future__ import annotations

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.dataset.splits import balanced_order, hold_out


def samples_of(labels: list[int], ids: list[int] | None = None) -> ArraySamples:
    column = torch.tensor(labels)
    return ArraySamples(torch.zeros(len(labels), 1, 2, 2), column, None if ids is None else torch.tensor(ids))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80))
def test_every_prefix_holds_the_classes_in_their_proportions(labels: list[int]) -> None:
    order = balanced_order(samples_of(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    for stop in range(1, len(labels) + 1):
        taken = [labels[row] for row in order[:stop].tolist()]
        for label in set(labels):
            assert abs(taken.count(label) - stop * labels.count(label) / len(labels)) <= len(set(labels)) / 2


def test_a_prefix_of_equal_classes_is_a_round_robin() -> None:
    labels = [row % 5 for row in range(100)]
    taken = balanced_order(samples_of(labels))
    for start in range(0, 100, 5):
        assert {labels[row] for row in taken[start : start + 5].tolist()} == set(range(5))


def test_the_order_follows_the_ids_not_the_rows() -> None:
    labels, ids = [0, 1, 0, 1, 0, 1], [10, 11, 12, 13, 14, 15]
    mirrored = samples_of(labels[::-1], ids[::-1])
    straight = samples_of(labels, ids)
    assert torch.equal(straight.ids[balanced_order(straight)], mirrored.ids[balanced_order(mirrored)])


def test_holding_out_keeps_every_sample_once() -> None:
    samples = samples_of([0, 1, 2] * 20)
    rest, held = hold_out(samples, 15)
    assert held.labels.bincount().tolist() == [5, 5, 5]
    assert sorted([*rest.ids.tolist(), *held.ids.tolist()]) == list(range(60))
    assert rest.ids.tolist() == sorted(rest.ids.tolist())
    assert len(hold_out(samples, 0)[1]) == 0


def test_digits_splits_are_the_ones_published() -> None:
    digits = load_dataset("digits")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1197, 200, 400)
    ids = torch.cat([digits.train.ids, digits.validation.ids, digits.test.ids])
    assert ids.sort().values.tolist() == list(range(1797))
    assert digits.test.labels.bincount().tolist() == pytest.approx([40] * 10, abs=2)
    # Pinned: a change here changes every published number, and needs a new version of the dataset.
    assert hashlib.sha256(ids.numpy().tobytes()).hexdigest() == PINNED_IDS
    assert digits.fingerprint == PINNED_CONTENT


PINNED_IDS = "07abeb185c5e5e00c7a1b2b3610d1f99c79f8df5efbf186d32b39a0554af6411"
PINNED_CONTENT = "cc097c8ce6dc537c7c84f62bd437fe0848865e4e85d4a503dc5eb611449a1075"


def test_a_smaller_limit_is_a_prefix_of_a_larger_one() -> None:
    whole = load_dataset("digits")
    for limit in (1, 10, 37, 399):
        part = load_dataset("digits", limit=limit, train_limit=2 * limit)
        assert torch.equal(part.test.ids, whole.test.ids[:limit])
        assert torch.equal(part.train.ids, whole.train.ids[: 2 * limit])
        assert torch.equal(part.test.images(torch.arange(limit)), whole.test.images(torch.arange(limit)))
    assert part.fingerprint == whole.fingerprint
    assert (part.mean, part.std) == (whole.mean, whole.std)
    assert load_dataset("digits", limit=50).test.labels.bincount().tolist() == [5] * 10
    assert part.test.digest() != whole.test.digest()


def test_digits_pixels_and_statistics_are_those_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    source = load_digits()
    digits = load_dataset("digits")
    rows = digits.train.ids.numpy()
    assert digits.train.images(torch.arange(1197)).numpy() == pytest.approx(source.images[rows][:, None] / 16)
    assert (digits.train.labels.numpy() == source.target[rows]).all()
    assert digits.mean == pytest.approx([(source.images[rows] / 16).mean()], abs=5e-5)
    assert digits.std == pytest.approx([(source.images[rows] / 16).std()], abs=5e-5)
    task = digits.task(4)
    assert (task.channels, task.height, task.width, task.classes, task.timesteps) == (1, 8, 8, 10, 4)

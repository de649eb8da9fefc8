"""Random splits: nine to one in every class, whatever the order, and the same everywhere."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from robustbench_snn.dataset.named_splits import random_tenth, split_digest


@given(st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 3)), min_size=1, unique_by=lambda pair: pair[0]))
def test_a_tenth_of_each_class_whatever_the_order(pairs: list[tuple[int, int]]) -> None:
    ids, labels = (torch.tensor(column) for column in zip(*pairs, strict=True))
    test = random_tenth("some", ids, labels)
    for label in labels.unique():
        assert int(test[labels == label].sum()) == int((labels == label).sum()) // 10
    order = torch.randperm(len(ids), generator=torch.Generator().manual_seed(0))
    assert torch.equal(random_tenth("some", ids[order], labels[order]), test[order])
    assert split_digest(ids[order], test[order]) == split_digest(ids, test)


def test_another_name_is_another_split_and_both_are_pinned() -> None:
    ids = torch.arange(1000)
    chosen = {name: random_tenth(name, ids, torch.zeros(1000, dtype=torch.int64)) for name in ("a", "b")}
    assert not torch.equal(chosen["a"], chosen["b"])
    assert chosen["a"].nonzero().squeeze(1)[:5].tolist() == [9, 14, 15, 20, 31]
    assert split_digest(ids, chosen["a"]) == "cee6f87ec468bcfe84943929766adcd8c967563b2026281d003a1cc0f4973d0a"


def test_a_digest_tells_the_sides_apart() -> None:
    ids, test = torch.tensor([3, 1, 2]), torch.tensor([True, False, False])
    assert split_digest(ids, test) != split_digest(ids, ~test)
    assert split_digest(torch.tensor([3, 12]), test[1:]) != split_digest(torch.tensor([31, 2]), test[1:])

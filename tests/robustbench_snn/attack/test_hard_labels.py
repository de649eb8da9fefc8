"""Which answers say no more than a class."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from robustbench_snn.attack.hard_labels import hard_labels
from robustbench_snn.model.target import Target
from tests.attack_models import held_out_samples, trained

torch.set_num_threads(1)


class Said(nn.Module):
    """A model whose logits go through a function."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.model, self.function = trained(), function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self.model(images))


@pytest.mark.parametrize(
    ("function", "hard"),
    [
        (lambda logits: logits, False),
        (lambda logits: 1e-3 * logits, False),
        (lambda logits: 1e6 * logits, False),
        (lambda logits: logits[:, :2], False),
        (lambda logits: logits.softmax(1), False),
        (lambda logits: (1e4 * logits).softmax(1), True),
        (lambda logits: one_hot(logits.argmax(1), 10).float(), True),
        (lambda logits: 1e3 * one_hot(logits.argmax(1), 10).float(), True),
        (lambda logits: one_hot(logits[:, :2].argmax(1), 2).float(), True),
        (lambda logits: logits.argsort(1).argsort(1).float(), True),
        (lambda logits: logits.sign(), True),
    ],
    ids=["plain", "small", "large", "two", "softmax", "saturated", "one-hot", "scaled", "two hot", "ranks", "signs"],
)
def test_the_lead_of_the_top_logit_tells(function: Callable[[Tensor], Tensor], hard: bool) -> None:
    batch = next(held_out_samples(32).batches(32))
    assert hard_labels(Target(Said(function).eval()), batch) is hard

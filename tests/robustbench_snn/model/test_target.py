"""A target is safe to share between threads."""

from __future__ import annotations

import threading

import torch
from torch import nn

from robustbench_snn.model.target import Target, lock_of


def test_a_call_waits_for_whoever_holds_the_model() -> None:
    target, done = Target(nn.Flatten()), threading.Event()

    def call() -> None:
        target(torch.zeros(1, 1, 2, 2))
        done.set()

    with lock_of(target.model):
        thread = threading.Thread(target=call)
        thread.start()
        assert not done.wait(0.2)
    assert done.wait(5.0)
    thread.join()

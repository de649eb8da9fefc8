"""Attacks to compare the sparse dynamic attack with: flips by saliency alone, and random flips."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from robustbench_snn.event_attack.event_set import EventSet


def saliency(active: EventSet, most: int) -> None:
    """Changes the entry of the steepest slope, takes the gradient again, and so on, until fooled.

    This project's control: what the gradient alone is worth, without looking at the loss that a change brings.

    Args:
        active: the samples.
        most: changes after which a sample is given up.
    """
    frames = active.clean.clone()
    changed = torch.zeros_like(frames, dtype=torch.bool).flatten(1)
    total = min(most, changed.shape[1])
    for step in active.steps(total):
        asked = active.rows
        answer = active.gradient(frames, "margin")
        active.changes[asked[active.fooled[asked]]] = step
        frames, changed = answer.survivors(frames, changed)
        flat = frames.flatten(1)
        ways, size = active.space.ranked(flat, -answer.gradient.flatten(1), active.random.fold("saliency", step))
        chosen = size.masked_fill(changed, -1.0).argmax(1, keepdim=True)
        frames = flat.scatter_add(1, chosen, ways.gather(1, chosen)).reshape(frames.shape)
        changed = changed.scatter(1, chosen, True)
    asked = active.rows
    active.note(frames)
    active.changes[asked[active.fooled[asked]]] = total


def random_flips(active: EventSet, budgets: Sequence[int]) -> None:
    """Changes entries in a random order, looked at where so many are changed as each budget allows.

    Args:
        active: the samples.
        budgets: rising; what a larger one changes holds what a smaller one changes.
    """
    size = active.clean[0].numel() if len(active) else 0
    order = active.random.fold("order").uniform(size).argsort(1)
    ways = active.space.ways(active.clean.flatten(1), active.random.fold("ways").signs(size))
    for budget in budgets:
        if not len(active):
            return
        asked, chosen = active.rows, order[:, :budget]
        frames = active.clean.flatten(1).scatter_add(1, chosen, ways.gather(1, chosen)).reshape(active.clean.shape)
        answer = active.note(frames)
        active.changes[asked[active.fooled[asked]]] = min(budget, size)
        order, ways = answer.survivors(order, ways)

"""Fixed splits and orders: functions of the sample ids and labels alone, the same on every machine."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.randomness import SampleRandom


def balanced_order(samples: Samples) -> Tensor:
    """A fixed order whose every prefix holds the classes in their proportions, to within one sample a class.

    Within a class samples are ordered by a hash of their ids; the i-th of n stands at the place (i + 1/2) / n, and
    all classes are merged by place.

    Returns:
        positions, int64 (N,).
    """
    hashes = SampleRandom.for_samples("order of samples", sample_ids=samples.ids).bits(1).squeeze(1)
    shuffled = torch.argsort(hashes, stable=True)
    by_class = shuffled[torch.argsort(samples.labels[shuffled], stable=True)]
    labels = samples.labels[by_class]
    counts = torch.bincount(labels, minlength=1)
    starts = counts.cumsum(0) - counts
    rank = torch.arange(len(labels)) - starts[labels]
    places = (rank.to(torch.float64) + 0.5) / counts[labels].to(torch.float64)
    mixed = torch.argsort(hashes[by_class], stable=True)  # classes that meet at one place: by hash, not by label
    return by_class[mixed[torch.argsort(places[mixed], stable=True)]]


def hold_out(samples: Samples, count: int) -> tuple[Samples, Samples]:
    """Cuts off the first ``count`` samples of the balanced order.

    Returns:
        the rest, in its old order, and the samples held out.
    """
    if not count:
        return samples, samples.subset(torch.arange(0))
    order = balanced_order(samples)
    return samples.subset(order[count:].sort().values), samples.subset(order[:count])

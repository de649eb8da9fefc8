"""Template title: say here what it holds and where it is from (authors, year, licence)."""

from __future__ import annotations

import torch

from robustbench_snn.plugins import (
    ArraySamples,
    Dataset,
    Limit,
    SampleRandom,
    build,
    channel_statistics,
    fingerprint,
    register_dataset,
)

TRAIN, TEST = 400, 100


@register_dataset("template_name", version=1)
def template_name(*, limit: Limit = None, train_limit: Limit = None) -> Dataset:
    """One line for listings: bright or dark squares of noise, 8x8 grey, 2 classes; put your own images here.

    Args:
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    ids = torch.arange(TRAIN + TEST)  # an image keeps its id whatever is added to the set
    labels = ids % 2
    noise = SampleRandom.for_samples("template_name", sample_ids=ids).uniform(1, 8, 8)
    pixels = (0.3 * labels.reshape(-1, 1, 1, 1) + 0.7 * noise).mul(255).to(torch.uint8)
    return build(
        "template_name",
        train=ArraySamples(pixels[:TRAIN], labels[:TRAIN], ids[:TRAIN]),
        test=ArraySamples(pixels[TRAIN:], labels[TRAIN:], ids[TRAIN:]),
        validation=0.1,
        classes=2,
        statistics=channel_statistics,
        fingerprint=fingerprint(labels, pixels),
        limit=limit,
        train_limit=train_limit,
        class_names=["dark", "bright"],
    )

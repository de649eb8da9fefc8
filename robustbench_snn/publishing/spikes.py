"""What a trained network's spikes do for one sample: a picture of its first layer, and rates of all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.execution.rebuild import restored
from robustbench_snn.leaderboard.table import Row
from robustbench_snn.leaderboard.versions import weights_of
from robustbench_snn.model.target import Target
from robustbench_snn.publishing.png import png
from robustbench_snn.publishing.version_page import Published
from robustbench_snn.randomness import SampleRandom
from robustbench_snn.registry import KINDS
from robustbench_snn.spikes.distance import Recorded
from robustbench_snn.spikes.recording import watched
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class Spikes:
    """The spikes of one sample.

    Attributes:
        seed: of the training.
        layer: the first one whose neurons lie on a plane, which the picture shows.
        picture: PNG of its spikes, step by step, averaged over channels, the largest average white; None if no layer
            lies on a plane.
        rates: layer, with the share of its neurons that fire, by step.
    """

    seed: int
    layer: str
    picture: bytes | None
    rates: tuple[tuple[str, tuple[float, ...]], ...]


def spikes_of(one: Published, row: Row, sample: Samples, store: Store | None) -> Spikes:
    """Runs one sample through an entry's network.

    Args:
        one: the version, whose weights are used if it holds them.
        row: the entry.
        sample: one sample.
        store: where weights may be that the version lacks.

    Raises:
        UserError: if there are no weights, or the network has no spiking neurons or cannot be built again.
    """
    seed, target = _network(one, row, store)
    if not target.neurons:
        raise UserError("it has no spiking neurons")
    recorded = Recorded(samples=1)
    images = sample.images(torch.tensor([0]))
    with torch.no_grad():
        target(images)  # at its first call a model is looked at, in passes that are not to be recorded
        with watched(target.model, recorded.observe):
            target(images, SampleRandom.for_samples("site", sample_ids=sample.ids))
    layers = recorded.layers()
    planes = [(name, found[:, 0].float().mean(1)) for name, found in layers.items() if found.ndim == 5]
    rates = tuple((name, tuple(found.float().flatten(1).mean(1).tolist())) for name, found in layers.items())
    if not planes:
        return Spikes(seed, "", None, rates)
    name, steps = planes[0]
    scaled = (steps / max(float(steps.max()), 1e-9)).numpy()
    return Spikes(seed, name, png([scaled[:, np.newaxis]], gap=1), rates)


def _network(one: Published, row: Row, store: Store | None) -> tuple[int, Target]:
    """The entry's first network whose weights are to be had, with its training seed."""
    published = weights_of(one.folder)
    for key in row.training:
        if record := one.records.get(key):
            if key in published:
                return record.seed, _built(record, published[key])
            if store is not None and store.has(key):
                return record.seed, _built(record, store.weights(key))
    raise UserError("no weights of it are in this version" + ("" if store is None else f" or in {store.root.name}"))


def _built(record: Record, weights: Path) -> Target:
    """The network, unless a plug-in of it has other code than that of the record: its spikes would be others."""
    for kind in ("encoder", "backbone"):
        part = record.identity["model"].get(kind, {})
        if "source" in part and KINDS[f"{kind}s"].get(part["name"]).source != part["source"]:
            raise UserError(f"the code of its {kind} '{part['name']}' is not that of the record")
    return restored(record, weights)

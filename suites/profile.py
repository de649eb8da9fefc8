"""Spike statistics, operations and energy, and how spikes change under conditions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field, replace
from statistics import median
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustbench_snn.conditions.condition import Condition, ConditionSpec
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.machine import peak_memory
from robustbench_snn.parameters import Count
from robustbench_snn.spikes.distance import Recorded, SpikeDistance
from robustbench_snn.spikes.operations import count_operations
from robustbench_snn.spikes.recording import fires_elsewhere, watched
from robustbench_snn.spikes.summary import SpikeSummary

LOOKED_AT = 8
"""Images on which spikes are looked for that are not counted."""
NOT_COUNTED = "spikes_not_counted"
"""The flag of a model that fires elsewhere than in layers of neurons."""


@register_evaluation("profile", version=1, takes="both")
class Profile(Evaluation):
    """Firing rates, spike-pattern diversity, mutual information, operations, energy, speed and memory.

    It has no accuracy. Everything but ``images_per_second`` and ``peak_memory_mb`` is exactly repeatable; these two
    are measured on the machine at hand, at the batch size of the run.

    Args:
        conditions: corrupted or adversarial images whose spikes are compared with those of the clean ones, layer by
            layer and step by step (see :class:`robustbench_snn.spikes.distance.SpikeDistance`).
        count_images: number of images, from the first on, whose operations are counted, one at a time.
        measure: measure speed and peak memory.
    """

    table_metrics: ClassVar[Mapping[str, str]] = {
        "firing_rate": "firing rate %",
        "diversity": "word entropy %",
        "spike_information": "spike MI (nats)",
        "synops": "SynOps",
        "ac": "AC",
        "mac": "MAC",
        "compute_energy_uj": "compute µJ",
        "memory_energy_uj": "memory µJ",
        "images_per_second": "images/s",
        "peak_memory_mb": "peak MB",
    }

    conditions: list[ConditionSpec] = field(default_factory=list)
    count_images: Count = 8
    measure: bool = True

    def run(self, subject: Subject) -> Outcome:
        """One pass for rates and words, one a condition, and a few images for the operations."""
        passes = 1 + len(self.conditions)
        # Spikes of runs of one sample each would be taken for those of more steps.
        watched_over = replace(subject, batch_size=1) if subject.target.one_at_a_time else subject
        spikes = SpikeSummary(watched_over)
        for batch in subject.samples.batches(watched_over.batch_size, subject.device):
            spikes.add(batch)
            subject.progress(spikes.done, passes * len(subject.samples))
        metrics, columns, details = spikes.found()
        if details["layers"]:
            details["distance"] = {
                condition.name: self._distance(watched_over, condition, number)
                for number, condition in enumerate(self.conditions, start=1)
            }
        metrics["parameters"] = float(sum(p.numel() for p in subject.target.model.parameters()))
        details["operations"] = self._operations(subject, metrics)
        if self.measure:
            metrics["images_per_second"] = images_per_second(subject)
            metrics["peak_memory_mb"] = peak_memory(subject.device) / 2**20
        few = next(subject.samples.batches(min(LOOKED_AT, len(subject.samples)), subject.device)).images
        flags = [NOT_COUNTED] if fires_elsewhere(subject.target, few) else []
        return Outcome(metrics=metrics, columns=columns, details=details, flags=flags)

    def _operations(self, subject: Subject, metrics: dict[str, float]) -> Mapping[str, Any]:
        rows = torch.arange(min(self.count_images, len(subject.samples)))
        batch = next(subject.samples.batches(len(rows), subject.device, rows))
        streams = batch.random(subject.seed, "clean", 0)
        target = subject.target
        counted = count_operations(
            target.model, batch.images, lambda image, number: target.alone(image, streams[number : number + 1])
        )
        metrics |= {
            "synops": counted.synops,
            "ac": counted.ac,
            "mac": counted.mac,
            "compute_energy_uj": counted.compute_pj / 1e6,
            "memory_energy_uj": counted.memory_pj / 1e6,
            "formula_energy_uj": counted.formula_pj / 1e6,
        }
        return {"images": len(rows), **vars(counted)}

    def _distance(self, subject: Subject, condition: Condition, number: int) -> Mapping[str, Any]:
        distance, done, total = SpikeDistance(), 0, (1 + len(self.conditions)) * len(subject.samples)
        steps = (subject.target.timesteps or 0,)
        clean_batches = subject.samples.batches(subject.batch_size, subject.device)
        for clean, presented in zip(clean_batches, condition.batches(subject, steps), strict=True):
            assert torch.equal(clean.ids, presented.batch.ids)
            images = presented.batch.images if presented.by_timesteps is None else presented.by_timesteps[steps[0]]
            distance.add(_spikes(subject, clean, clean.images), _spikes(subject, clean, images))
            done += len(clean)
            subject.progress(number * len(subject.samples) + done, total)
        return {"distance": distance.by_layer(), "chance": distance.chance(), **condition.details()}


def images_per_second(subject: Subject, passes: int = 5) -> float:
    """Images per second: the median of a few forward passes over one batch of the run's size, after one to warm up."""
    rows = torch.arange(min(subject.batch_size, len(subject.samples)))
    batch = next(subject.samples.batches(len(rows), subject.device, rows))
    random = batch.random(subject.seed, "clean", 0)
    seconds = []
    for _ in range(passes + 1):
        _wait(subject.device)
        begun = time.perf_counter()
        with torch.no_grad():
            subject.target(batch.images, random)
        _wait(subject.device)
        seconds.append(time.perf_counter() - begun)
    return len(rows) / median(seconds[1:])


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _spikes(subject: Subject, batch: Batch, images: Tensor) -> dict[str, Tensor]:
    """All spikes of a forward pass, bool (T, B, ...) by layer."""
    recorded = Recorded(samples=len(batch))
    with torch.no_grad(), watched(subject.target.model, recorded.observe):
        subject.target(images, batch.random(subject.seed, "clean", 0))
    return recorded.layers()

"""Statistics of the spikes for clean images, in sums over batches that do not depend on how these are cut."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robustbench_snn.columns import Column
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.spikes.information import SpikeInformation, gaussian_copula_information
from robustbench_snn.spikes.rates import Activity
from robustbench_snn.spikes.recording import watched
from robustbench_snn.spikes.words import LONGEST, word_entropy, word_histogram


class SpikeSummary:
    """Firing rates of all layers; words, rates and mutual information of the encoder; information of the logits.

    Args:
        subject: the model and its samples; batches are given to :meth:`add`.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.done = 0
        self.activity = Activity()
        self.encoder_rates: list[Tensor] = []
        self.diversity: list[Tensor] = []
        self.histogram: Tensor | None = None
        self.information = SpikeInformation()
        self.logits: list[Tensor] = []

    def add(self, batch: Batch) -> None:
        """Runs one batch and adds its spikes and logits."""
        target, seen = self.subject.target, []
        self.activity.samples = len(batch)
        model = target.model
        random = batch.random(self.subject.seed, "clean", 0)
        handle = None
        if isinstance(model, Classifier) and model.encoder.traits.spiking:
            handle = model.encoder.register_forward_hook(lambda module, inputs, output: seen.append(output))
        try:
            with torch.no_grad(), watched(model, self.activity.observe):
                if isinstance(model, Classifier):
                    self.logits.append(target.step_logits(batch.images, random).cpu())
                else:
                    target(batch.images, random)
        finally:
            if handle is not None:
                handle.remove()
        if seen and bool(((seen[-1] == 0) | (seen[-1] == 1)).all()):
            self._add_encoder(seen[-1][:, : len(batch)])
        self.done += len(batch)

    def _add_encoder(self, spikes: Tensor) -> None:
        self.encoder_rates.append(spikes.double().mean(0).flatten(1).mean(1).cpu())
        self.information.add(spikes)
        if len(spikes) <= LONGEST:
            histogram = word_histogram(spikes).cpu()
            self.diversity.append(word_entropy(histogram))
            self.histogram = histogram.sum(0) if self.histogram is None else self.histogram + histogram.sum(0)

    def found(self) -> tuple[dict[str, float], dict[str, Column], dict[str, Any]]:
        """Metrics, per-sample columns and details."""
        activity = self.activity
        metrics: dict[str, float] = {}
        columns: dict[str, Column] = {}
        details: dict[str, Any] = {
            "timesteps": self.subject.target.timesteps,
            "layers": [
                {
                    "name": name,
                    "neurons": x.neurons,
                    "firing_rate": x.rate,
                    "silent": x.silent,
                    "saturated": x.saturated,
                }
                for name, x in activity.layers.items()
            ],
        }
        if activity.layers:
            metrics["firing_rate"] = activity.mean_rate()
            metrics["silent_neurons"] = activity.share("silent")
            metrics["saturated_neurons"] = activity.share("saturated")
        if self.encoder_rates:
            rates = torch.cat(self.encoder_rates)
            metrics["encoder_firing_rate"] = float(rates.mean())
            columns["encoder_firing_rate"] = rates.numpy()
            matrix = self.information.matrix()
            details["spike_information"] = {"estimator": SpikeInformation.estimator, "nats": matrix.tolist()}
            if len(matrix) > 1:
                metrics["spike_information"] = mean_off_diagonal(matrix)
        if self.histogram is not None:
            found = torch.cat(self.diversity)
            metrics["diversity"] = float(word_entropy(self.histogram))
            metrics["diversity_per_image"] = float(found.mean())
            columns["diversity"] = found.numpy()
        if self.logits:
            details["logit_information"] = logit_information(torch.cat(self.logits, 1))
        return metrics, columns, details


def mean_off_diagonal(matrix: Tensor) -> float:
    """Mean over all pairs of different steps of a (T, T) matrix."""
    return float((matrix.sum() - matrix.diagonal().sum()) / (len(matrix) * (len(matrix) - 1)))


def logit_information(logits: Tensor) -> Mapping[str, Any]:
    """Mutual information between the logits of step i and step j, (T, N, K).

    Returns:
        ``estimator``, and ``nats``: (T, T), None where infinite (the diagonal), or where samples are too few.
    """
    steps, count, classes = logits.shape
    table: list[list[float | None]] = [[None] * steps for _ in range(steps)]
    if count > 2 * classes + 1:
        for i in range(steps):
            for j in range(i):
                nats = gaussian_copula_information(logits[i], logits[j])
                table[i][j] = table[j][i] = nats if math.isfinite(nats) else None
    return {"estimator": "Gaussian copula", "nats": table}

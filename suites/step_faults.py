"""Accuracy under temporal faults between encoder and backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from robustbench_snn.columns import Column
from robustbench_snn.dataset.samples import Batch
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation, Outcome, Subject, register_evaluation
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.neurons import reset
from robustbench_snn.model.padding import pad_batch
from robustbench_snn.model.target import lock_of
from robustbench_snn.parameters import Count
from robustbench_snn.timesteps.faults import STEPWISE, Fault, FaultName
from robustbench_snn.timesteps.sweep import classifier_of

Rate = Annotated[float, Field(ge=0, le=1)]
FAULTS: Sequence[FaultName] = ("drop", "blank", "freeze", "shuffle", "jitter", "delete")
RATES = (0.05, 0.1, 0.2)


@register_evaluation("step_faults", version=1, takes="both")
class StepFaults(Evaluation):
    """Accuracy under temporal faults between the encoder's spikes and the backbone.

    Every fault is run at every step, or at every rate. ``accuracy`` is the mean over the kinds of faults, each the
    mean over its steps or rates; ``correct`` is the same mean for each sample.

    Args:
        faults: kinds (see :class:`robustbench_snn.timesteps.faults.Fault`).
        steps: steps that ``drop``, ``blank`` and ``freeze`` hit, one at a time, counted from 1.
        rates: probabilities that ``jitter`` and ``delete`` hit a spike, one at a time.
        draws: random draws of ``shuffle``, ``jitter`` and ``delete``, and of a stochastic encoder.
    """

    faults: Annotated[list[FaultName], Field(min_length=1)] = field(default_factory=lambda: list(FAULTS))
    steps: Annotated[list[Count], Field(min_length=1)] | Literal["each"] = "each"
    rates: Annotated[list[Rate], Field(min_length=1)] = field(default_factory=lambda: list(RATES))
    draws: Count = 5

    def __post_init__(self) -> None:
        self.faults = list(dict.fromkeys(self.faults))
        self.rates = list(dict.fromkeys(self.rates))

    def run(self, subject: Subject) -> Outcome:
        """Encodes each batch once a draw, and runs the backbone once a fault."""
        classifier = classifier_of(subject.target)
        faults = self._faults(classifier.timesteps)
        shares: list[Tensor] = []
        for batch in subject.samples.batches(subject.batch_size, subject.device):
            shares.append(self._judge(subject, classifier, batch, faults).cpu())
            subject.progress(sum(part.shape[1] for part in shares), len(subject.samples))
        return _outcome(faults, torch.cat(shares, 1), classifier.timesteps)

    def _faults(self, timesteps: int) -> list[Fault]:
        """All faults of a run of ``timesteps``.

        Raises:
            UserError: if there is no such step, or nothing is left to run.
        """
        steps = list(range(1, timesteps + 1)) if self.steps == "each" else self.steps
        if beyond := [step for step in steps if step > timesteps]:
            raise UserError(f"step_faults: there is no step {beyond[0]}, the model was trained for {timesteps}")
        found: list[Fault] = []
        for kind in self.faults:
            if kind in STEPWISE:
                first = 2 if kind == "freeze" else 1  # nothing comes before the first step
                usable = [step for step in steps if step >= first and (kind != "drop" or timesteps > 1)]
                found += [Fault(kind, step=step) for step in usable]
            elif kind == "shuffle":
                found.append(Fault(kind))
            else:
                found += [Fault(kind, rate=rate) for rate in self.rates]
        if not found:
            raise UserError(f"step_faults: none of {', '.join(self.faults)} applies to a run of {timesteps} steps")
        return found

    def _judge(self, subject: Subject, classifier: Classifier, batch: Batch, faults: list[Fault]) -> Tensor:
        """Share of draws right without any fault, then under each, float (1 + F, B)."""
        stochastic = subject.target.stochastic
        hits = torch.zeros(1 + len(faults), len(batch), device=batch.labels.device)
        counts = [self.draws if stochastic or (fault and fault.random) else 1 for fault in (None, *faults)]
        for draw in range(max(counts)):
            due = [row for row, count in enumerate(counts) if draw < count]
            images, random = pad_batch(batch.images, batch.random(subject.seed, "clean", draw if stochastic else 0))
            _, streams = pad_batch(batch.images, batch.random(subject.seed, "step_faults", draw))
            assert streams is not None
            with torch.no_grad(), lock_of(classifier):
                reset(classifier)
                classifier.encoder.seed(random)
                spikes = classifier.encoder(images, classifier.timesteps)
                for row in due:
                    faulty = faults[row - 1](spikes, streams.fold(faults[row - 1].name)) if row else spikes
                    reset(classifier)
                    logits = classifier.read(classifier.backbone(faulty))[: len(batch)]
                    hits[row] += correct(logits, batch.labels)
        return hits / torch.tensor(counts, device=hits.device)[:, None]


def _outcome(faults: list[Fault], shares: Tensor, timesteps: int) -> Outcome:
    clean, faulty = shares[0], shares[1:]
    kinds = list(dict.fromkeys(fault.kind for fault in faults))
    by_kind = {kind: faulty[[fault.kind == kind for fault in faults]].mean(0) for kind in kinds}
    correct_share = torch.stack(list(by_kind.values())).mean(0)
    accuracies: Mapping[str, float] = {
        fault.name: float(row.double().mean()) for fault, row in zip(faults, faulty, strict=True)
    }
    metrics = {
        "accuracy": float(correct_share.double().mean()),
        "clean_accuracy": float(clean.double().mean()),
        **{f"accuracy_{kind}": float(share.double().mean()) for kind, share in by_kind.items()},
        "worst_fault_accuracy": min(accuracies.values()),
    }
    columns: dict[str, Column] = {"correct": correct_share.numpy(), "correct_clean": clean.numpy()}
    columns |= {f"correct_{fault.name}": row.numpy() for fault, row in zip(faults, faulty, strict=True)}
    details: dict[str, Any] = {
        "accuracy": accuracies,
        "worst_fault": min(sorted(accuracies), key=lambda name: accuracies[name]),
        "timesteps": timesteps,
    }
    return Outcome(metrics=metrics, columns=columns, details=details)

"""What an evaluation reports of a model under faults, from the share of right answers of each sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from robustbench_snn.columns import Column
from robustbench_snn.fault.curve import area, critical_rate
from robustbench_snn.fault.kinds import RATELESS, RELATIVE

INCOMPLETE = "fault_sites_incomplete"
"""The flag of a model with layers that a fault does not reach."""


@dataclass(frozen=True)
class FaultCurve:
    """Accuracy under one kind of fault.

    Attributes:
        rates: rising; none for a fault without a rate.
        accuracies: in [0, 1], one a rate; of a fault without a rate, the only one.
        hits: mean number of sites that were not as they should be, over the draws; one for each accuracy.
        sites: how many there are.
        beyond: layers out of reach.
    """

    rates: tuple[float, ...]
    accuracies: tuple[float, ...]
    hits: tuple[float, ...]
    sites: int
    beyond: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """Mean accuracy over the rates."""
        return sum(self.accuracies) / len(self.accuracies)

    def details(self, clean: float) -> dict[str, Any]:
        """For the record; :meth:`read` reads it back."""
        return {
            "rates": list(self.rates),
            "accuracies": list(self.accuracies),
            "hits": list(self.hits),
            "sites": self.sites,
            "beyond": list(self.beyond),
            "critical_rate": critical_rate(self.rates, self.accuracies, clean) if self.rates else None,
        }

    @classmethod
    def read(cls, details: Mapping[str, Any]) -> FaultCurve:
        """What :meth:`details` wrote."""
        rates, accuracies, hits, beyond = (tuple(details[name]) for name in ("rates", "accuracies", "hits", "beyond"))
        return cls(rates, accuracies, hits, details["sites"], beyond)


def fault_metrics(curves: Mapping[str, FaultCurve], clean: float) -> dict[str, float]:
    """The metrics of a model.

    Args:
        curves: by kind of fault.
        clean: accuracy without a fault.

    Returns:
        ``accuracy``, the mean over the faults of the mean over their rates; ``clean_accuracy``;
        ``accuracy_<fault>``, ``accuracy_<fault>_<rate>``; ``worst_fault_accuracy``; ``area_<fault>`` and ``area``, the
        mean of them; where five points are lost in the range of the rates, ``critical_rate_<fault>``, and the lowest
        of them as ``critical_rate``, or ``critical_mismatch`` of faults whose rate is a relative deviation.
    """
    means = {name: curve.mean for name, curve in curves.items()}
    metrics = {
        "accuracy": sum(means.values()) / len(means),
        "clean_accuracy": clean,
        "worst_fault_accuracy": min(means.values()),
        **{f"accuracy_{name}": share for name, share in means.items()},
    }
    for name, curve in curves.items():
        metrics |= {
            f"accuracy_{name}_{rate:g}": share for rate, share in zip(curve.rates, curve.accuracies, strict=False)
        }
    areas = {name: found for name, curve in curves.items() if (found := area_of(curve)) is not None}
    metrics |= {f"area_{name}": found for name, found in areas.items()}
    if areas:
        metrics["area"] = sum(areas.values()) / len(areas)
    lost = {name: critical_rate(curve.rates, curve.accuracies, clean) for name, curve in curves.items() if curve.rates}
    for name, rate in lost.items():
        if rate is not None:
            metrics[f"critical_rate_{name}"] = rate
            worst = "critical_mismatch" if name in RELATIVE else "critical_rate"
            metrics[worst] = min(rate, metrics.get(worst, rate))
    return metrics


def area_of(curve: FaultCurve) -> float | None:
    """The area under a curve; None for fewer than two rates."""
    return area(curve.rates, curve.accuracies) if curve.rates else None


def fault_columns(shares: Mapping[str, Tensor], rates: Sequence[float], clean: Tensor) -> dict[str, Column]:
    """One value a sample.

    Args:
        shares: by kind of fault, share of right draws, float32 (R, N), one row a rate, or (1, N) without rates.
        rates: R of them.
        clean: share of right answers without a fault, (N,).

    Returns:
        ``correct``, the mean over faults of the mean over rates, ``correct_clean``, ``correct_<fault>_<rate>``.
    """
    by_fault = [share.double().mean(0) for share in shares.values()]
    correct = sum(by_fault[1:], by_fault[0]) / len(by_fault)
    columns: dict[str, Column] = {"correct": correct.numpy(), "correct_clean": clean.numpy()}
    for name, rows in shares.items():
        names = [name] if name in RATELESS else [f"{name}_{rate:g}" for rate in rates]
        columns |= {f"correct_{one}": row.numpy() for one, row in zip(names, rows, strict=True)}
    return columns

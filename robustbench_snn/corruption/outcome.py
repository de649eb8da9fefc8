"""What an evaluation reports of a model under corruptions, from the share of right answers of each sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from robustbench_snn.corruption.scores import Reference, Table, score
from robustbench_snn.evaluation.contract import Outcome

Shares: TypeAlias = Mapping[tuple[str, int], Tensor]
"""By (type, severity), the share of forward passes that were right, float32 (N,), every type at the same severities."""


def corruption_metrics(table: Table, clean: float | None, reference: Reference | None) -> dict[str, float]:
    """The metrics of a table of accuracies by type and severity.

    Args:
        table: accuracies in [0, 1].
        clean: accuracy on clean images; None if it was not measured.
        reference: the model whose errors normalise the mCE.

    Returns:
        ``accuracy``, ``accuracy_s<n>``, ``accuracy_<type>``, ``worst_type_accuracy``, ``worst_type_error``,
        ``mce_unnormalised``; with a reference ``mce`` and, if the clean accuracy is known, ``relative_mce``; with it
        also ``clean_accuracy`` and, unless it is 0, ``rpc``.
    """
    found = score(table, clean or 0.0, reference)
    metrics = {
        "accuracy": found.mean_accuracy,
        "mce_unnormalised": 1.0 - found.mean_accuracy,
        "worst_type_accuracy": found.worst_accuracy,
        "worst_type_error": 1.0 - found.worst_accuracy,
        **{f"accuracy_s{severity}": share for severity, share in found.by_severity.items()},
        **{f"accuracy_{name}": share for name, share in found.by_type.items()},
    }
    if reference is not None:
        metrics["mce"] = found.mce
    if clean is not None:
        metrics["clean_accuracy"] = clean
        if clean > 0:
            metrics["rpc"] = found.rpc
        if found.relative_mce is not None:
            metrics["relative_mce"] = found.relative_mce
    return metrics


def corruption_outcome(
    shares: Shares, clean: Tensor | None, reference: Reference | None, *, source: str, under: str
) -> Outcome:
    """Metrics, columns and details of a model under corruptions.

    Args:
        shares: on corrupted images.
        clean: share of right answers on clean images, float32 (N,); None if it was not measured.
        reference: the model whose errors normalise the mCE.
        source: where the corrupted images are from, for the record.
        under: name of the condition upon the corrupted images, for the record.

    Returns:
        columns ``correct``, ``correct_s<n>`` and, where measured, ``correct_clean``; details with the accuracy by
        type and severity.
    """
    types, severities = (list(dict.fromkeys(column)) for column in zip(*shares, strict=True))
    table = {name: {severity: _mean(shares[name, severity]) for severity in severities} for name in types}
    clean_accuracy = None if clean is None else _mean(clean)
    columns = {
        f"correct_s{severity}": torch.stack([shares[name, severity] for name in types]).mean(0)
        for severity in severities
    }
    columns["correct"] = torch.stack(list(columns.values())).mean(0)
    if clean is not None:
        columns["correct_clean"] = clean
    details: dict[str, Any] = {
        "accuracy": {name: {str(severity): share for severity, share in row.items()} for name, row in table.items()},
        "worst_type": score(table, clean_accuracy or 0.0).worst_type,
        "source": source,
        "mce": "not normalised: the mean error" if reference is None else f"against {reference.name}",
        "reference": None if reference is None else reference.model_dump(mode="json"),
        "under": under,
    }
    return Outcome(
        metrics=corruption_metrics(table, clean_accuracy, reference),
        columns={name: column.numpy() for name, column in columns.items()},
        details=details,
    )


def _mean(shares: Tensor) -> float:
    return float(shares.double().mean())

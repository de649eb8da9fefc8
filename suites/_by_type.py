"""What evaluations under corruptions share: a cell a type, one pass over types and severities, joint scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from torch import Tensor

from robustbench_snn.conditions.condition import Condition
from robustbench_snn.conditions.judging import shares_right
from robustbench_snn.corruption.outcome import corruption_metrics
from robustbench_snn.corruption.scores import Reference
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.evaluation.contract import Subject
from robustbench_snn.registry.registry import Registry
from robustbench_snn.timesteps.sweep import Sweep, as_trained

if TYPE_CHECKING:
    from robustbench_snn.store.records import Record

Severity = Annotated[int, Field(ge=1, le=5)]
CLEAN = Condition()


def names_of(types: Sequence[str] | str, sets: Mapping[str, Sequence[str]], known: Registry[Any, Any]) -> list[str]:
    """The names that a suite file's ``types`` stands for, each once.

    Args:
        types: names, or the name of a set.
        sets: names by set.
        known: where they are registered.

    Raises:
        UserError: if a name is unknown.
    """
    names = list(sets[types]) if isinstance(types, str) else list(dict.fromkeys(types))
    for name in names:
        known.declaration(name)
    return names


def cells_by_type(parameters: Mapping[str, Any], names: Sequence[str]) -> list[Mapping[str, Any]]:
    """One cell a type: a run that is killed loses one type. Only the first measures clean samples, if any does."""
    clean = parameters.get("clean", True)
    return [{**parameters, "types": [name], "clean": clean and number == 0} for number, name in enumerate(names)]


def scores_of_all(parts: Sequence[Record]) -> Mapping[str, float]:
    """All scores over all types of one model, from the records of its cells."""
    table = {
        name: {int(severity): share for severity, share in row.items()}
        for part in parts
        for name, row in part.details["accuracy"].items()
    }
    clean = next((part.metrics["clean_accuracy"] for part in parts if "clean_accuracy" in part.metrics), None)
    given = parts[0].details["reference"]
    by_timesteps = {
        name: sum(part.metrics[name] for part in parts) / len(parts)
        for name in sorted(set.intersection(*(set(part.metrics) for part in parts)))
        if name.startswith("accuracy_T")
    }
    return corruption_metrics(table, clean, Reference(**given) if given else None) | by_timesteps


def shares_by_type(
    subject: Subject,
    sets: Mapping[tuple[str, int], Callable[[], Samples]],
    sweep: Sweep,
    *,
    clean: bool,
    draws: int,
    under: Condition = CLEAN,
) -> tuple[dict[tuple[str, int], Tensor], Tensor | None]:
    """Shares of right draws, batch by batch.

    Args:
        subject: a model and its clean samples.
        sets: makes the corrupted samples, by type and severity.
        sweep: the T of the corrupted ones.
        clean: judge the clean samples as well, at the T of training.
        draws: forward passes of a stochastic model.
        under: what the corrupted samples are put through.

    Returns:
        float32 (S, N) by type and severity; and (N,) of clean samples, or None.
    """
    done, total = 0, (len(sets) + clean) * len(subject.samples)

    def report(samples: int) -> None:
        nonlocal done
        done += samples
        subject.progress(done, total)

    shares = {
        pair: shares_right(replace(subject, samples=make()), sweep, under, draws, report) for pair, make in sets.items()
    }
    if not clean:
        return shares, None
    return shares, shares_right(subject, as_trained(subject.target), CLEAN, draws, report)[0]

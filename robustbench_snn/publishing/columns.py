"""The columns of a table's page: what each holds, in which group it stands, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Literal

from robustbench_snn.leaderboard.pages.grid import accuracy_columns, shown_measures
from robustbench_snn.leaderboard.table import Measure, Table

Group = Literal["clean", "attacks", "corruptions", "timesteps", "spikes", "energy", "other"]
GROUPS: tuple[Group, ...] = ("clean", "attacks", "corruptions", "timesteps", "spikes", "energy", "other")

_OF_EVALUATION: Mapping[str, Group] = {
    "clean": "clean",
    **dict.fromkeys(
        ("attack", "autoattack", "epsilon_curve", "fgsm", "pgd", "snn_standard", "torchattacks", "transfer"), "attacks"
    ),
    **dict.fromkeys(("graz_ensemble", "stf_paper", "diagnostics", "event_l0", "event_linf"), "attacks"),
    "corruption": "corruptions",
    "corruptions": "corruptions",
    "event_corruptions": "corruptions",
    "timesteps": "timesteps",
    "step_faults": "timesteps",
    "event_timesteps": "timesteps",
}
_SPIKES = frozenset({"firing_rate", "diversity", "spike_information"})
_LOWER = frozenset(
    {
        *("mce_unnormalised", "mce", "relative_mce", "worst_type_error"),
        *("drop_to_T1", "smallest_timesteps"),
        *("synops", "ac", "mac", "compute_energy_uj", "memory_energy_uj", "peak_memory_mb"),
    }
)


@dataclass(frozen=True)
class Column:
    """One column of numbers.

    Attributes:
        label: of the evaluation.
        metric: its name; ``accuracy`` for the accuracies.
        heading: for people.
        stated: the threat in words (``linf, 8/255``); empty for none.
        group: the group that it stands in.
        better: which way is better; None where neither is.
        percent: whether the number is a share, shown in percent.
        ranked: whether the table ranks it, so that the best can be told from the rest by test.
    """

    label: str
    metric: str
    heading: str
    stated: str
    group: Group
    better: Literal["higher", "lower"] | None
    percent: bool
    ranked: bool


def columns(table: Table) -> list[Column]:
    """All columns of numbers of a table, group by group, in the table's order within a group."""
    evaluations = {found["label"]: found for found in table.protocol.get("evaluations", ()) if "label" in found}
    names = {label: str(found.get("name", label)) for label, found in evaluations.items()}
    found = [
        Column(
            label=label,
            metric="accuracy",
            heading=label,
            stated=threat(evaluations.get(label, {}).get("parameters", {})),
            group=_group(names.get(label, label), "accuracy"),
            better="higher",
            percent=True,
            ranked=any(label in row.cells and row.cells[label].rank is not None for row in table.rows),
        )
        for label in accuracy_columns(table)
    ]
    shown = shown_measures(table)
    groups = {measure: _group(names.get(measure.label, measure.label), measure.metric) for measure in shown}
    found += [
        Column(
            label=measure.label,
            metric=measure.metric,
            heading=_heading(measure, {other.label for other in shown if groups[other] == group}),
            stated="",
            group=group,
            better=_better(measure.metric),
            percent=measure.heading.endswith("%"),
            ranked=False,
        )
        for measure, group in groups.items()
    ]
    return sorted(found, key=lambda column: GROUPS.index(column.group))


def _heading(measure: Measure, neighbours: Set[str]) -> str:
    """A metric's name; where its group has several evaluations, with that of its own."""
    name = measure.heading.removesuffix("%").strip()
    return f"{measure.label}: {name}" if len(neighbours) > 1 else name


def threat(parameters: Mapping[str, Any]) -> str:
    """The ball that an evaluation's images stay in (``linf, 8/255``); empty where it has none."""
    eps, norm = parameters.get("eps"), parameters.get("norm")
    if not isinstance(eps, int | float) or norm is None:
        return ""
    levels = eps * 255
    whole = abs(levels - round(levels)) < 1e-9 and norm == "linf"
    return f"{norm}, {round(levels)}/255" if whole else f"{norm}, {eps:g}"


def _group(evaluation: str, metric: str) -> Group:
    if evaluation == "profile":
        return "spikes" if metric in _SPIKES else "energy"
    return _OF_EVALUATION.get(evaluation, "other")


def _better(metric: str) -> Literal["higher", "lower"] | None:
    if metric in _SPIKES:  # a rate is neither good nor bad
        return None
    return "lower" if metric in _LOWER else "higher"

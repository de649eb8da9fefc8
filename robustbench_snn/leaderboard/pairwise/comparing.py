"""Compares two models in every evaluation that both have, or says what keeps them from comparing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.comparison import Comparison, compare
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.outcomes import aligned
from robustbench_snn.leaderboard.pairwise.evidence import Evidence, Measured
from robustbench_snn.leaderboard.pairwise.of_store import join
from robustbench_snn.leaderboard.statistics import Correction, adjust
from robustbench_snn.leaderboard.verdict import verdict


@dataclass(frozen=True)
class Compared:
    """Two models in one evaluation.

    Attributes:
        label: of the evaluation.
        comparison: what was found.
        adjusted_p_value: corrected over all evaluations compared.
        verdict: in words that claim no more than the scope.
        flags: of the candidate and of the baseline; a flagged number is not to be relied on.
        comparable: False for the protocol of a paper, which a table sets apart.
    """

    label: str
    comparison: Comparison
    adjusted_p_value: float
    verdict: str
    flags: tuple[tuple[str, ...], tuple[str, ...]]
    comparable: bool


@dataclass(frozen=True)
class Pairwise:
    """Two models against each other.

    Attributes:
        candidate: its name, with its place where both have one name.
        baseline: likewise.
        places: where the two are from.
        dataset: name of the dataset.
        samples: number of samples.
        rows: one an evaluation.
        left_out: evaluations that are not compared, and why.
        made_by: programs and machines behind the candidate, and behind the baseline.
        confidence: of the intervals.
        correction: of the p-values.
    """

    candidate: str
    baseline: str
    places: tuple[str, str]
    dataset: str
    samples: int
    rows: tuple[Compared, ...]
    left_out: tuple[str, ...]
    made_by: tuple[frozenset[str], frozenset[str]]
    confidence: float
    correction: Correction


def compare_evidence(
    candidate: Evidence,
    baseline: Evidence,
    *,
    only: Sequence[str] = (),
    confidence: float = 0.95,
    correction: Correction = "holm",
) -> Pairwise:
    """Compares two models in every evaluation that both have on the same samples.

    Args:
        candidate: what is known of the one.
        baseline: what is known of the other.
        only: labels of the evaluations to compare; all without any. The correction is over these.
        confidence: of the intervals, in (0.5, 1); a difference is found where the adjusted p-value is below the rest.
        correction: of the p-values, over all evaluations compared.

    Raises:
        UserError: if the two were not measured with the same samples and evaluations, share a trained network, or
            have no evaluation in common; the first difference is named.
    """
    if not 0.5 < confidence < 1:
        raise UserError(f"confidence is {confidence}; give a share between 0.5 and 1, such as 0.95")
    if shared := candidate.weights & baseline.weights:
        raise UserError(
            f"{_full(candidate)} and {_full(baseline)} share {len(shared)} trained networks (weights "
            f"{min(shared)[:12]}): a network does not compare with itself; give models that were trained apart"
        )
    pairs, left_out = _pairs(candidate, baseline, only)
    names = (candidate.model, baseline.model)
    if candidate.model == baseline.model:
        names = (_full(candidate), _full(baseline))
    found = [compare(ours.outcomes, _as(ours, theirs).outcomes, confidence=confidence) for ours, theirs in pairs]
    adjusted = adjust([one.p_value for one in found], correction)
    rows = tuple(
        Compared(
            ours.label,
            one,
            p_value,
            verdict(
                one,
                round(1 - confidence, 12),
                adjusted=p_value,
                candidate=names[0],
                baseline=names[1],
                quality="accurate" if ours.name == "clean" else "robust",
                several=len(found) > 1,
            ),
            (ours.flags, theirs.flags),
            ours.comparable and theirs.comparable,
        )
        for (ours, theirs), one, p_value in zip(pairs, found, adjusted, strict=True)
    )
    first = pairs[0][0]
    return Pairwise(
        *names,
        (candidate.place, baseline.place),
        first.setting["dataset"]["name"],
        max(len(ours.samples) for ours, _ in pairs),
        rows,
        tuple(left_out),
        (candidate.made_by, baseline.made_by),
        confidence,
        correction,
    )


def _pairs(
    candidate: Evidence, baseline: Evidence, only: Sequence[str]
) -> tuple[list[tuple[Measured, Measured]], list[str]]:
    """The evaluations that both have, and what is left out and why."""
    guide = baseline if baseline.joined or not candidate.joined else candidate  # a store follows a table's evaluations
    names = [one.label for one in guide.measured]
    if unknown := [label for label in only if label not in names]:
        raise UserError(f"{_full(guide)} has no evaluation {', '.join(unknown)}; it has: {', '.join(names)}")
    wanted = [one for one in guide.measured if not only or one.label in only]
    pairs, left_out = [], []
    for one in wanted:
        ours, theirs = _like(candidate, one), _like(baseline, one)
        if ours is not None and theirs is not None:
            pairs.append((ours, theirs))
            continue
        other = baseline if guide is candidate else candidate
        if different := _first_difference(one, other):
            raise UserError(
                f"{one.label} of {_full(guide)} and of {_full(other)} do not compare: {different}; measure both by "
                f"one protocol, or choose what to compare with --evaluation"
            )
        left_out.append(f"{one.label}: only {_full(guide)} has it")
    if not only:
        other = candidate if guide is baseline else baseline
        matched = {id(one) for pair in pairs for one in pair}
        if other.joined:
            left_out += [f"{one.label}: only {_full(other)} has it" for one in other.measured if id(one) not in matched]
        for side in (candidate, baseline):
            left_out += [f"{label}: {_full(side)} is not complete ({why})" for label, why in side.gaps.items()]
    if not pairs:
        raise UserError(
            f"{_full(candidate)} and {_full(baseline)} have no evaluation of one protocol in common: "
            f"{'; '.join(left_out) or 'nothing was measured with outcomes'}"
        )
    if not candidate.joined and not baseline.joined and len({ours.setting_digest for ours, _ in pairs}) > 1:
        raise UserError(
            f"{_full(candidate)} and {_full(baseline)} were both measured on several sets of samples; name the suite "
            "file whose evaluations you mean"
        )
    return pairs, left_out


def _like(side: Evidence, wanted: Measured) -> Measured | None:
    """What a side has of exactly this evaluation, on exactly these samples."""
    if not side.joined:
        return join(side.measured, wanted)
    return next((one for one in side.measured if one.content == wanted.content), None)


def _first_difference(one: Measured, other: Evidence) -> str | None:
    """Where the other side's evaluation of this label, or its samples, are others; None if it has none of the kind."""
    rivals = [found for found in other.measured if found.label == one.label]
    rivals += [found for found in other.measured if found.name == one.name]
    if not rivals:
        return None
    same_setting = [found for found in rivals if found.setting_digest == one.setting_digest]
    if not other.joined and same_setting:
        return None  # a store has parts of many suites; that one lacks some says nothing
    rival = (same_setting or rivals)[0]
    parts = list(zip(one.parts, rival.parts, strict=False))
    written = [(_written(mine), _written(theirs)) for mine, theirs in parts]
    for mine, theirs in ((one.setting, rival.setting), *written, *parts):
        if found := next(differences("", "", mine, theirs), None):
            return f"{found.column} is {found.expected} here and {found.found} there"
    return f"it is of {len(one.parts)} parts here and of {len(rival.parts)} there"


def _written(part: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wrote of a part, or a default of it; the rest follows."""
    return {name: part.get(name) for name in ("name", "version", "parameters")}


def _as(one: Measured, other: Measured) -> Measured:
    """The other's outcomes in the order of the one's samples."""
    by_seed = {seed: aligned(one.samples, other.samples, found, other.label) for seed, found in other.by_seed.items()}
    return Measured(other.label, other.name, other.parts, other.setting, one.samples, by_seed)


def _full(side: Evidence) -> str:
    return f"{side.model} ({side.place})"

"""What a page of a table says, in order, whatever it is written in."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_snn.leaderboard.pages.grid import Grid, comparisons, make_grid, measures, ranks, reported
from robustbench_snn.leaderboard.table import Against, Table
from robustbench_snn.leaderboard.verdict import BEFORE_CORRECTION, verdict

ENOUGH_SEEDS = 5
"""From so many on, simulated tables keep the chance of a false difference near what the correction promises."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        title: heading; empty for the first part, which stands under that of the page.
        grid: numbers.
        lines: sentences under them.
    """

    title: str
    grid: Grid | None = None
    lines: tuple[str, ...] = ()


def sections(table: Table) -> list[Section]:
    """All parts of the page of a table."""
    found = [Section("", make_grid(table), tuple(_notes(table)))]
    if said := verdicts(table):
        found.append(Section(SAID, None, tuple(said)))
    if compared := comparisons(table):
        found.append(Section("Against the baseline", compared, tuple(_comparison_notes(table))))
    if ranked := ranks(table):
        found.append(Section("Ranks", ranked, tuple(_rank_notes(table))))
    if measured := measures(table):
        found.append(Section("Besides accuracy", measured))
    if elsewhere := reported(table):
        found.append(Section(REPORTED, elsewhere, (REPORTED_NOTE,)))
    return found


SAID = "What this says"
REPORTED = "Reported elsewhere (not measured here)"
REPORTED_NOTE = (
    "Numbers as their authors state them, each by its own protocol: they are neither ranked nor compared with those "
    "measured here. ±: standard deviation over training seeds."
)


def verdicts(table: Table) -> list[str]:
    """Every comparison in words that claim no more than its scope."""
    clean = {found["label"] for found in table.protocol.get("evaluations", ()) if found.get("name") == "clean"}
    return [
        f"{label}: "
        + verdict(
            found.comparison(),
            round(1 - table.confidence, 12),
            adjusted=found.adjusted_p_value,
            candidate=row.model,
            baseline=found.baseline,
            quality="accurate" if label in clean else "robust",
            several=table.since("github3"),
        )
        for label in table.columns
        for row in table.rows
        if label in row.cells and (found := row.cells[label].against)
    ]


def verdicts_in_short(table: Table) -> list[str]:
    """The same with one line a column for all models that no difference was found of."""
    alpha = round(1 - table.confidence, 12)
    lines: list[str] = []
    found = {(label, row.model): score.against for row in table.rows for label, score in row.cells.items()}
    said = iter(verdicts(table))
    for label in table.columns:
        none: dict[str, list[tuple[str, Against]]] = {}
        for row in table.rows:
            against = found.get((label, row.model))
            if against is None:
                continue
            sentence = next(said)
            if against.adjusted_p_value >= alpha:
                none.setdefault(against.scope, []).append((row.model, against))
            else:
                lines.append(sentence)
        told = BEFORE_CORRECTION if table.since("github3") else ""
        lines += [f"{label}: {_none_found(scope, models)}{told}." for scope, models in none.items()]
    return lines


def _none_found(scope: str, models: list[tuple[str, Against]]) -> str:
    names, compared = [name for name, _ in models], [against for _, against in models]
    effects = sorted(100 * against.minimum_detectable_effect for against in compared)
    unseen = " to ".join(dict.fromkeys(f"{effect:.1f}" for effect in (effects[0], effects[-1])))
    least = min(against.adjusted_p_value for against in compared)
    whose = "these trained networks of " if scope == "networks" else ""
    return (
        f"No difference found between {whose}{compared[0].baseline} and {', '.join(names)} (p = {least:.2g} at the "
        f"least); true differences below {unseen} points could not be seen reliably"
    )


def _notes(table: Table) -> list[str]:
    """What a reader must know to read the numbers."""
    percent = f"{100 * table.confidence:g} %"
    found = [
        f"accuracy in percent on n = {table.samples} samples of {table.data}, mean over training seeds, with their "
        f"standard deviation (sd) and a {percent} interval over new trainings and new samples; for one seed, Wilson's "
        f"interval over new samples for this one network",
        f"protocol {table.protocol_hash[:12]}: numbers compare only with those of the same protocol",
    ]
    found += [
        f"{labels}: on the first n = {limit} of these samples, whose order is fixed and balanced over classes"
        for limit, labels in _limited(table).items()
    ]
    if any(not score.comparable for row in table.rows for score in row.cells.values()):
        found.append("† the protocol of a paper, shown beside the correct one; not comparable with any other column")
    found += [
        f"{row.model}, {label}: {gap.complete} of {gap.wanted} seeds are complete; missing: {gap.lacks}. No mean is "
        f"shown, compared or ranked"
        for row in table.rows
        for label, gap in row.gaps.items()
    ]
    found += [f"{row.model}: {note}" for row in table.rows for note in row.notes]
    return found


def _limited(table: Table) -> dict[int, str]:
    """Columns whose evaluations take only the first samples, by how many."""
    found: dict[int, list[str]] = {}
    for evaluation in table.protocol.get("evaluations", ()):
        if (limit := evaluation.get("limit")) is not None and limit < table.samples:
            found.setdefault(limit, []).append(evaluation["label"])
    return {limit: ", ".join(labels) for limit, labels in sorted(found.items())}


def _comparison_notes(table: Table) -> list[str]:
    correction = {"holm": "Holm", "benjamini-hochberg": "Benjamini and Hochberg"}[table.correction]
    found = {score.against for row in table.rows for score in row.cells.values() if score.against}
    percent = f"{100 * table.confidence:g} %"
    notes = [
        f"Difference to {table.baseline} in points of accuracy on the same samples, with a {percent} interval that is "
        f"not corrected; "
        f"p-values are corrected by {correction} over the {sum(_compared(table))} comparisons of this table; "
        f"detectable: the smallest true difference, in points, found with 80 % power at 5 % before correction."
    ]
    if any(against.scope == "methods" for against in found):
        notes.append("Scope methods: a multi-reader multi-case t test over training seeds and samples.")
    few = any(against.scope == "methods" and min(against.seeds) < ENOUGH_SEEDS for against in found)
    if few and table.since("github3"):
        notes.append(
            f"With fewer than {ENOUGH_SEEDS} training seeds on a side the chance of any false difference in a table is "
            "above 5 % in spite of the correction: in simulations of 28 comparisons, 10 to 17 % with three seeds and "
            "27 to 37 % with two."
        )
    if any(against.scope == "networks" for against in found):
        notes.append(
            "Scope networks: one training seed on a side; a test over samples alone, about these trained networks, "
            "which is no difference between methods."
        )
    return notes


def _compared(table: Table) -> list[int]:
    return [sum(score.against is not None for score in row.cells.values()) for row in table.rows]


def _rank_notes(table: Table) -> list[str]:
    return [
        "All models of a column are compared in pairs, corrected by Holm; those that do not differ from the best of "
        "their group share its rank. Ranks of scope networks hold for these trained networks only."
    ]

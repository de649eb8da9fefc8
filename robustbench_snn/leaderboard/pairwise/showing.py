"""A comparison of two models on the screen, in markdown and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import RenderableType

from robustbench_snn.leaderboard.pages.escaping import markdown
from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.markdown import render_sections
from robustbench_snn.leaderboard.pages.sections import Section
from robustbench_snn.leaderboard.pages.terminal import show_sections
from robustbench_snn.leaderboard.pairwise.comparing import Compared, Pairwise

CORRECTIONS = {"holm": "Holm", "benjamini-hochberg": "Benjamini and Hochberg"}
SCOPES = {"methods": "over training seeds", "networks": "these trained networks"}


def to_terminal(found: Pairwise) -> RenderableType:
    """What ``rbsnn compare`` shows."""
    return show_sections(sections(found), _heading(found))


def to_markdown(found: Pairwise) -> str:
    """The same as GitHub-flavoured markdown."""
    return "\n".join([f"# {markdown(_heading(found))}", "", *render_sections(sections(found))])


def to_data(found: Pairwise) -> dict[str, Any]:
    """The same as plain data: shares in [0, 1], not points."""
    rows = [asdict(row) for row in found.rows]
    return asdict(found) | {"rows": rows, "made_by": [sorted(made) for made in found.made_by]}


def sections(found: Pairwise) -> list[Section]:
    """The words first, then the numbers, then what they are of."""
    said = [f"{row.label}: {row.verdict}{_doubt(row)}" for row in found.rows]
    parts = [Section("What this says", None, tuple(said)), Section("Numbers", _grid(found), tuple(_notes(found)))]
    if found.left_out:
        parts.append(Section("Not compared", None, found.left_out))
    return parts


def _heading(found: Pairwise) -> str:
    return f"{found.candidate} against {found.baseline}"


def _doubt(row: Compared) -> str:
    if any(row.flags):
        return " These numbers are flagged; rbsnn explain FLAG says whether they may be read as robustness."
    return "" if row.comparable else " This is the protocol of a paper, not the correct one."


def _grid(found: Pairwise) -> Grid:
    level = f"{100 * found.confidence:g} %"
    headings = ("under", "points", f"{level} interval", "p", "corrected p", "scope", "seeds", "detectable", "flags")
    rows = tuple(
        (
            row.label if row.comparable else f"{row.label} †",
            f"{100 * one.difference:+.1f}",
            f"[{100 * one.interval.low:+.1f}, {100 * one.interval.high:+.1f}]",
            f"{one.p_value:.2g}",
            f"{row.adjusted_p_value:.2g}",
            SCOPES[one.scope],
            f"{one.seeds[0]} vs {one.seeds[1]}",
            f"{100 * one.minimum_detectable_effect:.1f}",
            _flags(row),
        )
        for row in found.rows
        for one in [row.comparison]
    )
    return Grid(headings, rows)


def _flags(row: Compared) -> str:
    sides = zip(("candidate", "baseline"), row.flags, strict=True)
    return "; ".join(f"{whose}: {', '.join(flags)}" for whose, flags in sides if flags)


def _notes(found: Pairwise) -> list[str]:
    ours, theirs = found.made_by
    fewer = [f"{row.label} on {row.comparison.samples}" for row in found.rows if row.comparison.samples < found.samples]
    some = f" ({', '.join(fewer)} of them)" if fewer else ""
    notes = [
        f"points of accuracy on the same {found.samples} samples of {found.dataset}"
        f"{some}: {found.candidate} "
        f"({found.places[0]}) minus {found.baseline} ({found.places[1]}); intervals are not corrected; p-values are "
        f"corrected by {CORRECTIONS[found.correction]} over these {len(found.rows)} comparisons",
        "detectable: the smallest true difference, in points, found with 80 % power at 5 % before correction",
    ]
    if any(not row.comparable for row in found.rows):
        notes.append("† the protocol of a paper, shown beside the correct one; not comparable with any other column")
    if ours != theirs:
        notes.append(
            f"the two were computed by different programs or machines, which may differ in the last digits: "
            f"{'; '.join(sorted(ours))} and {'; '.join(sorted(theirs))}"
        )
    return notes

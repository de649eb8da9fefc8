"""Leaderboards and their index as GitHub-flavoured markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robustbench_snn.leaderboard.pages.grid import Grid, differences, make_grid, measures, row_flags
from robustbench_snn.leaderboard.table import Table


def render_markdown(table: Table, version: str) -> str:
    """The page of one version."""
    lines = [f"# {table.title} {version}", ""]
    if table.description:
        lines += [table.description, ""]
    lines += [*_grid(make_grid(table)), "", *(f"- {note}" for note in notes(table)), ""]
    measured = measures(table)
    if measured is not None:
        lines += ["## Besides accuracy", "", *_grid(measured), ""]
    compared = differences(table)
    if compared is not None:
        lines += ["## Against the baseline", "", *_grid(compared), "", DIFFERENCE_NOTE, ""]
    flags = sorted({flag for row in table.rows for flag in row_flags(row)})
    if flags:
        lines += ["`rbsnn explain FLAG` says what a flag means.", ""]
    lines += [
        "## Records",
        "",
        "Every number, and the records in `records.jsonl` that it comes from (`rbsnn leaderboard --record KEY`):",
        "",
    ]
    for row in table.rows:
        for label, score in row.cells.items():
            keys = ", ".join(f"`{key[:12]}`" for key in score.records)
            lines.append(f"- {row.model}, {label}: {keys}")
    return "\n".join(lines) + "\n"


def render_index(newest: Mapping[str, Table], versions: Mapping[str, Sequence[str]]) -> str:
    """results/README.md: all tables with all versions."""
    lines = [
        "# Published leaderboards",
        "",
        "A version is never edited. The major number changes with the protocol, and numbers of different protocols",
        "do not compare; the minor one when entries are added or measured again.",
        "",
        "| table | newest | dataset | n | models | all versions |",
        "|---|---|---|---|---|---|",
    ]
    for name, table in newest.items():
        links = ", ".join(f"[{version}]({name}/{version}/leaderboard.md)" for version in versions[name])
        facts = (table.title, versions[name][-1], table.dataset, str(table.samples), str(len(table.rows)), links)
        lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines) + "\n"


DIFFERENCE_NOTE = (
    "Points of accuracy on the same samples: difference, paired bootstrap interval, and p-value (exact McNemar for "
    "one seed and one condition, else sign-flip permutation) corrected over all comparisons of this table."
)


def notes(table: Table) -> list[str]:
    """What a reader must know to read the numbers."""
    percent = f"{100 * table.confidence:g} %"
    found = [
        f"accuracy in percent ± half-width of Wilson's {percent} interval for n = {table.samples} samples of "
        f"{table.dataset}; sd: standard deviation over training seeds",
        f"protocol {table.protocol_hash[:12]}: numbers compare only with those of the same protocol",
    ]
    if any(not score.comparable for row in table.rows for score in row.cells.values()):
        found.append("† the protocol of a paper, shown beside the correct one; not comparable with any other column")
    return found


def _grid(grid: Grid) -> list[str]:
    lines = [f"| {' | '.join(grid.headings)} |", f"|{'---|' * len(grid.headings)}"]
    return lines + [f"| {' | '.join(text.replace('|', '&#124;') for text in row)} |" for row in grid.rows]

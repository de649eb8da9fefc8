"""A table as a page for GitHub: what it says first, then a table a threat, its keys folded away."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from robustbench_snn.leaderboard.pages.escaping import code, markdown, markdown_line, visible
from robustbench_snn.leaderboard.pages.grid import Grid, accuracy_columns, best_first, models_grid, row_flags
from robustbench_snn.leaderboard.pages.markdown import render_grid, render_sections
from robustbench_snn.leaderboard.pages.sections import REPORTED, Section, sections, verdicts
from robustbench_snn.leaderboard.schema1.pages import render_first_markdown
from robustbench_snn.leaderboard.table import AnyTable, Row, Score, Table

KEPT = ("Besides accuracy", REPORTED)
"""Sections that are shown as on other pages."""


def render_github(table: AnyTable, version: str, plots: Mapping[str, str] | None = None) -> str:
    """The page of one version, of a table of any schema.

    Args:
        table: what it shows.
        version: of it.
        plots: files beside the page by the label of the evaluation that they show; none if None.
    """
    if not isinstance(table, Table):
        return render_first_markdown(table, version)
    lines = [f"# {markdown(table.title)} {version}", ""]
    if table.description:
        lines += [markdown_line(table.description), ""]
    models = f"{len(table.rows)} model{'s' if len(table.rows) != 1 else ''}"
    lines += [
        f"{models} on {table.samples} samples of {markdown(table.data)}; protocol {code(table.protocol_hash[:12])}.",
        "",
    ]
    lines += render_sections([Section("In short", None, (*_flagged(table), *_summary(table)))])
    for label in accuracy_columns(table):
        lines += [f"## {markdown(label)}", ""]
        if plots and label in plots:
            lines += [f"![The numbers of the table below, drawn with their intervals]({plots[label]})", ""]
        lines += [*render_grid(_threat(table, label)), ""]
    found = sections(table)
    lines += render_sections([Section("Models", models_grid(table))])
    lines += render_sections([section for section in found if section.title in KEPT])
    lines += ["## How to read this", "", *(f"- {markdown_line(line)}" for line in _notes(found)), ""]
    lines += ["## Reproduce", "", *_commands(table, version), ""]
    return "\n".join([*lines, *_keys(table)]) + "\n"


def _flagged(table: Table) -> Iterator[str]:
    for row in table.rows:
        if flags := row_flags(row):
            yield f"{row.model} is flagged: {', '.join(flags)}. rbsnn explain FLAG says what a flag means"


def _summary(table: Table) -> list[str]:
    return verdicts(table) or ["No baseline is named: nothing is compared here beyond the ranks"]


def _threat(table: Table, label: str) -> Grid:
    """All models in one column of the table, the best first; ties as the table ranks them."""
    rows = best_first((row for row in table.rows if label in row.cells or label in row.gaps), label)
    numbers = ("accuracy %", "interval", "sd", "seeds", "against the baseline", "p", "detectable")
    headings = ("rank", "model", *numbers, "flags")
    return Grid(headings, tuple(_line(table, row, label) for row in rows))


def _line(table: Table, row: Row, label: str) -> tuple[str, ...]:
    name = f"{row.model} (baseline)" if row.model == table.baseline else row.model
    if label not in row.cells:
        gap = row.gaps[label]
        told = (f"{gap.complete} of {gap.wanted} seeds", "–", "–", str(gap.complete), "–", "–", "–")
        return ("–", name, *told, gap.lacks)
    score = row.cells[label]
    return (str(score.rank or "–"), name, *_numbers(score), ", ".join(score.flags))


def _numbers(score: Score) -> tuple[str, ...]:
    accuracy = "–" if score.accuracy is None else f"{100 * score.accuracy:.1f}{'' if score.comparable else ' †'}"
    interval = "–" if score.low is None or score.high is None else f"[{100 * score.low:.1f}, {100 * score.high:.1f}]"
    sd = "–" if score.sd is None else f"{100 * score.sd:.1f}"
    if (found := score.against) is None:
        return accuracy, interval, sd, str(score.seeds), "–", "–", "–"
    against = f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}], {found.scope}"
    effect = f"{100 * found.minimum_detectable_effect:.1f}"
    return accuracy, interval, sd, str(score.seeds), against, f"{found.adjusted_p_value:.2g}", effect


def _notes(found: list[Section]) -> Iterator[str]:
    for section in found:
        if section.title in ("", "Against the baseline", "Ranks"):
            yield from section.lines


def _commands(table: Table, version: str) -> list[str]:
    """What trains and evaluates it all again, and what checks what is published."""
    suite, name = (shlex.quote(visible(text)) for text in (table.suite, table.name))
    if table.since("github2") and version != "draft":
        again = [
            f"rbsnn leaderboard export {name}/{version} --format suite --to {name}.yaml",
            f"rbsnn run {name}.yaml --draft",
        ]
        told = [
            "The first command writes all models, training seeds and evaluations of this version as a suite, whichever",
            "runs it grew from; `--dataset` names a dataset whose files are not found by themselves, and `--plugin` a",
            "plug-in. The records say which version of the program, and which machine, each number is from.",
        ]
    else:
        again = [f"rbsnn run {suite} --draft"]
        told = [
            "A suite that does not ship with the package is named by its file. The records say which version of the",
            "program, and which machine, each number is from.",
        ]
    checks = [f"rbsnn leaderboard verify {name}", f"rbsnn leaderboard {name} --version {version}"]
    return ["```sh", *again, *checks, "```", "", *told]


def _keys(table: Table) -> list[str]:
    lines = ["<details>", "<summary>Keys of the records</summary>", ""]
    lines += ["`rbsnn leaderboard --record KEY` shows the record behind a number.", ""]
    for row in table.rows:
        lines += [
            f"- {markdown_line(row.model)}, {markdown(label)}: {', '.join(code(key[:12]) for key in score.records)}"
            for label, score in row.cells.items()
        ]
    return [*lines, "", "</details>"]

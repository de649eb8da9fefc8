"""What the pages of a table say."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.pages import render_html, render_markdown, render_terminal
from robustbench_snn.leaderboard.pages.grid import Grid
from robustbench_snn.leaderboard.pages.sections import Section
from robustbench_snn.leaderboard.pages.terminal import show_sections
from robustbench_snn.leaderboard.spread import spread
from robustbench_snn.leaderboard.statistics import wilson
from robustbench_snn.leaderboard.table import Measure
from tests.tables import N, outcomes, publish, published, row, score, table


def test_the_page_shows_spread_scope_interval_and_what_may_be_said(tmp_path: Path) -> None:
    many = ("stf-quiet", "zero-gradient", "a_flag_with_a_long_name")
    rows = (row("direct"), row("stf", clean=score(flags=many)), row("single").model_copy(update={"seeds": (7,)}))
    shown = outcomes(direct=0.4, stf=0.7)
    one = outcomes(seeds=1, single=0.9)
    shown = Outcomes(shown.samples, {**shown.by_seed, **one.by_seed})
    folder = publish(table(*rows, baseline="direct"), shown, tmp_path)
    found = published(tmp_path).rows
    stf, alone = found[1].cells["clean"], found[2].cells["clean"]
    against, other = stf.against, alone.against
    assert against is not None
    assert other is not None
    assert (against.scope, other.scope) == ("methods", "networks")
    share = spread(shown.of(("stf", "clean")))
    cell = f"{100 * share.mean:.1f} (sd {100 * (share.sd or 0):.1f}) [{100 * share.interval.low:.1f}, "
    wilson_low = wilson(alone.accuracy or 0, N).low
    effect = f"{100 * against.minimum_detectable_effect:.1f}"
    interval = f"[{100 * against.low:+.1f}, {100 * against.high:+.1f}]"
    numbers = f"{100 * against.difference:+.1f} | {interval} | {against.p_value:.2g} | {against.adjusted_p_value:.2g}"
    page, html = render_markdown(published(tmp_path), "v1.0"), (folder / "leaderboard.html").read_text()
    console = Console(width=250, file=StringIO(), record=True)
    console.print(render_terminal(published(tmp_path), "v1.0"))
    for text in (page, html, console.export_text()):
        assert cell in text
        assert f"{100 * (alone.accuracy or 0):.1f} [{100 * wilson_low:.1f}, " in text
        assert interval in text
        assert effect in text
        assert "3 vs 3" in text
        assert "1 vs 3" in text
        assert "What this says" in text
        assert "clean: stf is more accurate than direct: " in text
        assert "clean: These trained networks of single are more accurate than those of direct" in text
        assert "single is more" not in text
        assert "clean (networks)" in text  # of the ranks: one model has a single seed
    assert f"| stf | clean | {numbers} | methods | 3 vs 3 | {effect} |" in page
    assert "| direct (baseline) |" in page
    assert "1,234,567" in page
    assert "a | b" in html
    assert "<script" not in html
    assert f'<td class="text">{", ".join(sorted(many))}</td>' in html
    assert "td.text { text-align: left; white-space: normal;" in html


def test_the_screen_says_once_a_column_what_was_not_found(tmp_path: Path) -> None:
    seeds = {name: 1 if name == "alone" else 3 for name in ("direct", "alike", "too", "better", "alone")}
    several = outcomes(direct=0.5, alike=0.5, too=0.5, better=0.8)
    shown = Outcomes(several.samples, {**several.by_seed, **outcomes(seeds=1, alone=0.5).by_seed})
    rows = [row(name).model_copy(update={"seeds": tuple(range(count))}) for name, count in seeds.items()]
    publish(table(*rows, baseline="direct"), shown, tmp_path)
    found = published(tmp_path)
    against = {one.model: one.cells["clean"].against for one in found.rows}
    console = Console(width=400, file=StringIO(), record=True)
    console.print(render_terminal(found, "v1.0"))
    said = console.export_text().split("What this says")[1].split("Against the baseline")[0]
    lines = [line.rstrip() for line in said.splitlines() if line.startswith("· ")]
    compared = [against[name] for name in ("alike", "too")]
    least = min(one.adjusted_p_value for one in compared if one)
    low, high = sorted(100 * one.minimum_detectable_effect for one in compared if one)
    alone = against["alone"]
    assert alone is not None
    assert lines[0].startswith("· clean: better is more accurate than direct: ")
    assert lines[1:] == [
        f"· clean: No difference found between direct and alike, too (p = {least:.2g} at the least); true differences "
        f"below {low:.1f} to {high:.1f} points could not be seen reliably even without the correction.",
        f"· clean: No difference found between these trained networks of direct and alone (p = "
        f"{alone.adjusted_p_value:.2g} at the least); true differences below "
        f"{100 * alone.minimum_detectable_effect:.1f} points could not be seen reliably even without the correction.",
    ]
    older = found.model_copy(update={"layout": "github2"})
    for text in (" even without the correction.", "in simulations of 28 comparisons, 10 to 17 % with three seeds"):
        assert text in render_markdown(found, "v1.0")
        assert text not in render_markdown(older, "v1.0")
    page = render_markdown(found, "v1.0")
    assert page.count("No difference found between") == 3


def test_a_protocol_that_does_not_compare_has_a_dagger(tmp_path: Path) -> None:
    publish(table(row("paper", clean=score(comparable=False))), outcomes(paper=0.9), tmp_path)
    assert "] † |" in render_markdown(published(tmp_path), "v1.0")


def test_other_measures_have_a_table_of_their_own(tmp_path: Path) -> None:
    measures = (
        Measure(label="profile", metric="firing_rate", heading="firing rate %"),
        Measure(label="profile", metric="synops", heading="SynOps"),
    )
    profile = score(accuracy=None, metrics={"firing_rate": 0.1234, "synops": 2345678.0})
    shown = table(row("direct", clean=score(), profile=profile)).model_copy(update={"measures": measures})
    page = (publish(shown, outcomes(), tmp_path) / "leaderboard.md").read_text()
    assert "| model | firing rate % | SynOps |" in page
    assert "| direct | 12.3 | 2.346e+06 |" in page


def test_a_row_from_elsewhere_says_so() -> None:
    made = table(row("direct", clean=score()), row("late", clean=score()))
    note = "machine: cpu (<b>another</b>)"
    moved = made.model_copy(update={"rows": (made.rows[0], made.rows[1].model_copy(update={"notes": (note,)}))})
    assert "late: machine: cpu (" in render_markdown(moved, "v1.0")
    assert "late: machine: cpu (&lt;b&gt;another&lt;/b&gt;)" in render_html(moved, "v1.0")
    assert "machine" not in render_markdown(made, "v1.0") + render_html(made, "v1.0")


def test_names_are_escaped_in_html(tmp_path: Path) -> None:
    folder = publish(table(row("<script>alert(1)</script>")), outcomes(), tmp_path)
    assert "<script>" not in (folder / "leaderboard.html").read_text()


@pytest.mark.parametrize("width", [44, 60, 80, 120, 700])
def test_a_wide_grid_folds_into_tables_that_fit(width: int) -> None:
    """Every cell is shown whole, once, and the first column in each table."""
    headings = [f"{('one_long_word:', 'many short words of a long list:')[n % 2]} measure" for n in range(20)]
    grid = Grid(("model", *headings), (("one", *(f"{n}.25 [0, 1]" for n in range(20))),))
    console = Console(file=StringIO(), width=width, record=True)
    console.print(show_sections([Section("", grid)], "heading"))
    text = console.export_text()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert [text.count(f" {n}.25 [0, 1] ") for n in range(20)] == [1] * 20
    assert text.count("one_long_word:") == 10, "no word is broken"
    assert text.count("measure ") == 20
    assert text.count("heading") == 1
    tables = text.count("┏")
    assert text.count(" one ") == text.count(" model ") == tables
    assert (tables == 1) == (width == 700)

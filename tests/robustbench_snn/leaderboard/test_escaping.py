"""Names of other people's making do nothing, wherever a table is shown; judged by parsers of other packages."""

from __future__ import annotations

import csv
import html
import io
import re
import unicodedata
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from robustbench_snn.leaderboard.pages import render_html, render_markdown, render_terminal
from robustbench_snn.leaderboard.pages.escaping import csv_cell, latex, markdown, markdown_line, visible
from robustbench_snn.leaderboard.pages.exporting import to_csv, to_latex
from robustbench_snn.leaderboard.pages.github import render_github
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.reported import Group, Number, ReportedSet, Source
from tests.tables import outcomes, publish, published, row, score, table

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b",
    "[bold]",
    "[/]",
    "[link](javascript:alert(1))",
    "![x](http://x/y.png)",
    r"$\input{/etc/passwd}$",
    r"\end{table}\write18{id}",
    "two\nlines\n# heading",
    "\u202egnitirw",
    "\x1b[31mred\x1b[0m",
    "=HYPERLINK(1)",
    "`code` *bold* _em_ ~~gone~~ &lt; &#60;",
    "# heading",
    "- [x] task",
    "1. first",
    "</details>",
    "```",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A published table with hostile text wherever a person can put some."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = tuple(row(name, clean=score(flags=(name,))) for name in HOSTILE)
    names: dict[str, Any] = dict.fromkeys(HOSTILE, 0.5)
    shown = table(*rows, title=HOSTILE[0], baseline=HOSTILE[0])
    publish(shown, outcomes(seeds=2, **names), folder)
    sets = tuple(
        ReportedSet(
            name="n",
            title=text,
            groups=(
                Group(
                    source=Source(citation=text),
                    dataset=text,
                    metric=text,
                    unit="",
                    protocol=text,
                    numbers=(Number(model=text, value=1.0, of=text),),
                ),
            ),
        )
        for text in HOSTILE
    )
    changes = {
        "description": HOSTILE[9],
        "dataset": HOSTILE[1],
        "dataset_title": HOSTILE[10],
        "suite": HOSTILE[8],
        "reported": sets,
    }
    return published(folder).model_copy(update=changes)


def written(page: str) -> tuple[set[str], str]:
    """The tags of a page, and its text."""
    tags: set[str] = set()
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attributes: object) -> None:
            tags.add(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data)

    Reader().feed(page)
    return tags, "".join(texts)


@pytest.mark.parametrize("render", [render_markdown, render_github])
def test_markdown_shows_names_and_runs_nothing(hostile: Table, render: object) -> None:
    page = render(hostile, "v1.0")  # type: ignore[operator]
    shown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(page)
    tags, text = written(shown)
    assert tags <= {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre"} | {
        "details",
        "summary",
    }
    assert shown.count("</details>") == shown.count("<details>")
    assert shown.count("<h1>") == 1
    for name in HOSTILE:
        assert visible(name) in text, name
    assert {line.count("|") - line.count("\\|") for line in page.splitlines() if line.startswith("| 1 |")} <= {11}


def test_html_shows_names_and_runs_nothing(hostile: Table) -> None:
    tags, text = written(render_html(hostile, "v1.0"))
    assert not tags & {"script", "img", "a"}
    for name in HOSTILE:
        assert visible(name) in text
    assert not set("\u202e\x1b") & set(text)


def test_the_terminal_and_svg_show_names_and_run_nothing(hostile: Table) -> None:
    console = Console(record=True, width=4000, file=io.StringIO())
    console.print(render_terminal(hostile, "v1.0"))
    text = console.export_text(clear=False)
    assert "\x1b" not in text
    assert "\u202e" not in text
    for name in HOSTILE:
        assert visible(name) in text
    picture = console.export_svg(title="rbsnn")
    root = ET.fromstring(picture)
    assert not [node for node in root.iter() if node.tag.rsplit("}", 1)[-1] in ("script", "a", "image")]
    assert "<script" not in picture


def test_latex_has_no_command_of_theirs(hostile: Table) -> None:
    page = to_latex(hostile, "v1.0")
    assert page.count(r"\end{table}") == 1
    for command in (r"\input", r"\write", "$\\input"):
        assert command not in page
    body = page[page.index(r"\midrule") : page.index(r"\bottomrule")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body.splitlines()[1:] if line} == {6}
    bare = re.sub(r"\\[&%$#_{}]|\\\\$|\$\\(?:pm|le|ge|varepsilon)\$", "", body, flags=re.MULTILINE)
    assert not re.search(r"[%$#_^~]", bare)


def test_csv_has_no_formula_and_one_line_a_score(hostile: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(hostile))))
    assert len(rows) == len(HOSTILE)
    assert not [cell for one in rows for cell in one.values() if cell.startswith(("=", "@"))]
    assert {one["model"] for one in rows} == {csv_cell(name) for name in HOSTILE}


@given(st.text(max_size=20) | st.text(st.sampled_from("<>[]()`*_~#|$&;!\\-+=:/1. \n\tab"), max_size=30))
def test_any_text_is_one_paragraph_of_plain_text(text: str) -> None:
    page = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(f"x {markdown(text)} x")
    (inner,) = re.findall(r"<p>(.*)</p>\n", page, re.DOTALL)
    assert "<" not in inner.replace("<br />", "")
    assert " ".join(html.unescape(inner).split()) == " ".join(f"x {visible(text)} x".split())
    line = MarkdownIt("commonmark", {"html": True}).render(markdown_line(text))
    assert written(line)[0] <= {"p"}


@given(st.text(max_size=40))
def test_any_text_is_one_line_without_control_characters(text: str) -> None:
    for made in (visible(text), latex(text), csv_cell(text)):
        assert len(made.splitlines()) <= 1
        assert not {unicodedata.category(sign) for sign in made} & {"Cc", "Cf", "Cs"}


def test_published_names_stay_as_they_are() -> None:
    for name in ("snn_standard", "tdformer v1", "Encoders on digits", "[90.1, 95.8]", "PGD-10 2/255", "a_b-c.d+e"):
        assert (visible(name), markdown(name)) == (name, name)


def test_markdown_in_the_repository_is_rendered_by_this_program() -> None:
    results = Path(__file__).resolve().parents[3] / "results"
    for folder in sorted(results.glob("*/v3.0")):
        found = Table.model_validate_json((folder / "table.json").read_text())
        assert render_markdown(found, "v3.0") == (folder / "leaderboard.md").read_text()

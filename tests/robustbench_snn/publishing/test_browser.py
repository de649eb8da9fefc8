"""The site in a real browser, opened from disk: sorting, filtering, keyboard, contrast, names, no network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from tests.robustbench_snn.publishing import tables_of_all_kinds
from tests.robustbench_snn.publishing.tables_of_all_kinds import FLAGGED, GAPPED, MODELS

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

Open = Callable[..., Any]
WITH_AXE = {
    "hostile_site": ("index.html", "tab/index.html", "tab/v1.1/index.html", "tab/v1.1/entries/direct-*.html"),
    "shipped_site": ("quickstart/v3.0/index.html", "quickstart/v2.0/index.html"),
    "pictured_site": ("tiny/v1.0/index.html", "tiny/v1.0/entries/direct.html"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a file; afterwards nothing may have been written on the console, thrown, or asked of a network."""
    said: list[str] = []
    contexts: list[Any] = []

    def opened(path: Path, **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("requestfailed", lambda request: said.extend(failed(request)))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def failed(request: Any) -> list[str]:
    """A request that failed; one that ended with its page, when the next was opened, did not."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url} {request.failure}"]


def first_column(page: Any) -> list[str]:
    names: list[str] = page.locator("table.main tbody tr:not([hidden]) th").evaluate_all(
        "cells => cells.map(cell => cell.dataset.sort)"
    )
    return names


def keys_of(page: Any, column: int) -> list[float]:
    """The sorting keys of a column from above, NaN for none."""
    found: list[str | None] = page.locator("table.main tbody tr").evaluate_all(
        "(rows, column) => rows.map(row => row.cells[column].getAttribute('data-sort'))", column
    )
    return [float("nan") if key is None else float(key) for key in found]


def column_of(page: Any, name: str) -> int:
    headings = page.locator("table.main thead tr:last-child th")
    texts: list[str] = headings.all_inner_texts()
    return next(index for index, text in enumerate(texts) if text.startswith(name))


def sort_by(page: Any, name: str) -> Any:
    heading = page.locator("table.main thead tr:last-child th").nth(column_of(page, name))
    heading.locator("button").click()
    return heading


@pytest.fixture
def table_path(hostile_site: Path) -> Path:
    return hostile_site / "tab/v1.1/index.html"


def test_a_heading_sorts_best_first_then_turns(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    heading = sort_by(page, "clean")
    assert heading.get_attribute("aria-sort") == "descending"
    keys = keys_of(page, column_of(page, "clean"))
    assert keys == sorted(keys, reverse=True)
    sort_by(page, "clean")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert keys_of(page, column_of(page, "clean")) == sorted(keys)
    assert (
        page.locator("[data-status]").inner_text()
        == f"Sorted by clean, ascending. {len(MODELS)} of {len(MODELS)} models shown."
    )


def test_less_is_better_sorts_least_first(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    assert sort_by(page, "parameters").get_attribute("aria-sort") == "ascending"
    keys = keys_of(page, column_of(page, "parameters"))
    assert keys == sorted(keys)
    assert sort_by(page, "mCE").get_attribute("aria-sort") == "ascending"
    assert page.locator("table.main th[aria-sort]").count() == 1


def test_what_was_not_measured_stands_last_either_way(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    for _ in range(2):
        sort_by(page, "pgd")
        keys = keys_of(page, column_of(page, "pgd"))
        assert np.isnan(keys).tolist() == [False] * (len(MODELS) - 1) + [True]
        assert first_column(page)[-1] == GAPPED


def test_names_sort_by_letter_and_links_stay_with_their_rows(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    before = dict(zip(first_column(page), page.locator("table.main tbody tr").all_inner_texts(), strict=True))
    sort_by(page, "model")
    names = first_column(page)
    assert names[-1] == "مرحبا"
    assert names.index(FLAGGED) < names.index("direct")
    assert dict(zip(names, page.locator("table.main tbody tr").all_inner_texts(), strict=True)) == before


def test_headings_are_buttons_of_the_keyboard(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    heading = page.locator("table.main thead tr:last-child th").nth(column_of(page, "clean"))
    heading.locator("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_the_first_key_leads_to_the_content(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_filter_finds_names_and_flags(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    page.get_by_role("searchbox", name="Find a model or flag").fill("DIRECT")
    assert set(first_column(page)) == {"direct", "Direct"}
    assert page.locator("[data-status]").inner_text() == f"2 of {len(MODELS)} models shown."
    page.get_by_role("searchbox").fill("zero gradient")
    assert first_column(page) == [FLAGGED]
    page.get_by_role("searchbox").fill("")
    page.get_by_role("checkbox", name="only models without flags").check()
    assert set(first_column(page)) == set(MODELS) - {FLAGGED}


def test_a_group_of_columns_can_be_hidden(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    heading = page.locator("table.main thead tr:last-child th").nth(column_of(page, "pgd"))
    page.get_by_role("checkbox", name="attacks").uncheck()
    assert not heading.is_visible()
    assert page.get_by_role("columnheader", name="clean", exact=True).is_visible()
    page.get_by_role("checkbox", name="attacks").check()
    assert heading.is_visible()


def test_without_scripts_the_whole_table_stands(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path, java_script_enabled=False)
    assert page.locator("table.main tbody tr").count() == len(MODELS)
    assert page.locator("table.main a strong").first.is_visible()
    assert page.locator("svg.chart").count() >= 4
    assert not page.locator(".controls").is_visible()
    assert page.locator("table.main button").count() == 0


@pytest.mark.parametrize("site", ["hostile_site", "shipped_site", "pictured_site"])
def test_every_page_opens_without_a_word_on_the_console(
    site: str, open_page: Open, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(site)
    pages = sorted(folder.rglob("*.html"))
    page = open_page(pages[0])
    for path in pages:
        page.goto(path.as_uri())
        assert page.locator("h1").count() == 1
    assert len(pages) >= 4


def test_a_number_leads_to_its_records(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path)
    page.locator("table.main tbody td a.best").first.click()
    page.wait_for_load_state()
    anchor = page.evaluate("location.hash.slice(1)")
    heading = page.locator(f"#{anchor}")
    assert heading.is_visible()
    assert page.evaluate("anchor => document.getElementById(anchor).getBoundingClientRect().top", anchor) < 900


def test_every_picture_is_drawn(open_page: Open, pictured_site: Path) -> None:
    for name, count in (("index.html", 2), ("entries/direct.html", 2)):
        page = open_page(pictured_site / "tiny/v1.0" / name)
        widths = page.locator("main img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert len(widths) == count
        assert min(widths) > 0


def test_on_a_phone_only_the_tables_scroll_and_names_stay_in_sight(open_page: Open, table_path: Path) -> None:
    page = open_page(table_path, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".tall").evaluate("region => { region.scrollLeft = 400; }")
    name = page.locator("table.main tbody th").first.bounding_box()
    region = page.locator(".tall").bounding_box()
    assert region["x"] <= name["x"] <= region["x"] + 2
    number = page.locator("table.main tbody tr").first.locator("td").first.bounding_box()
    assert number["x"] < 0, "the numbers have moved"


@pytest.mark.parametrize("width", [360, 1280])
def test_no_cell_s_text_runs_into_the_next(width: int, open_page: Open, table_path: Path) -> None:
    page = open_page(table_path, viewport={"width": width, "height": 900})
    wider = page.locator("table.main td, table.main th").evaluate_all(
        "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent)"
    )
    assert wider == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("site", WITH_AXE)
def test_axe_finds_nothing(
    site: str, scheme: str, browser: Any, open_page: Open, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(site)
    for pattern in WITH_AXE[site]:
        path = sorted(folder.glob(pattern))[0]
        # The page's policy keeps scripts out that are not its own, axe among them.
        page = open_page(path, color_scheme=scheme, bypass_csp=True)
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        found = axe_api.Axe().run(page, options={"preload": False}).response
        told = [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ]
        assert told == [], f"{path}, {scheme}"
        passed = {rule["id"] for rule in found["passes"]}
        assert {"color-contrast", "link-name", "document-title", "region"} <= passed


def test_500_rows_of_40_columns_are_sorted(
    open_page: Open, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    labels = tuple(f"attack{number}" for number in range(37))
    made = tables_of_all_kinds.make_table({"m": 0.5}, ("clean",))
    random = np.random.default_rng(0)
    (one,) = made.rows
    rows = tuple(_drawn(one, f"model {number}", labels, random) for number in range(500))
    wide = made.model_copy(update={"rows": rows, "columns": labels})
    folder = tmp_path / "results/tab/v1.0"
    folder.mkdir(parents=True)
    (folder / "table.json").write_text(Table.model_validate(wide).model_dump_json())
    (folder / "records.jsonl").write_text("")
    write_files(
        {name: content for name, content in site_files(tmp_path / "results") if "/entries/" not in name},
        tmp_path / "site",
    )
    page = open_page(tmp_path / "site/tab/v1.0/index.html")
    assert page.locator("table.main thead tr:last-child th").count() == 1 + 37 + 3
    milliseconds = page.evaluate(
        """() => new Promise(done => {
            const begun = performance.now();
            document.querySelectorAll("table.main th button")[5].click();
            requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
        })"""
    )
    record_property("milliseconds_to_sort_and_draw", milliseconds)
    keys = keys_of(page, 5)
    assert len(keys) == 500
    assert keys == sorted(keys, reverse=True)
    assert len(first_column(page)) == 100
    page.get_by_role("searchbox").fill("model 42")
    assert len(first_column(page)) == 15, "42, 420 to 429, and four that end in 42"
    page.get_by_role("searchbox").fill("")
    page.get_by_role("button", name="Show all models").click()
    assert len(first_column(page)) == 500
    assert keys_of(page, 5) == keys


def _drawn(row: Row, model: str, labels: tuple[str, ...], random: np.random.Generator) -> Row:
    cell = row.cells["clean"]
    cells = {
        label: cell.model_copy(update={"accuracy": float(random.random()), "low": 0.1, "high": 0.9, "sd": 0.01})
        for label in labels
    }
    return row.model_copy(update={"model": model, "cells": cells})

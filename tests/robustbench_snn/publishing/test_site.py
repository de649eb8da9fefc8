"""The pages, without a browser: structure, links, names, numbers, and text that would like to be markup."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.ranking import rank_groups
from robustbench_snn.publishing.names import visible
from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from tests.robustbench_snn.publishing import tables_of_all_kinds
from tests.robustbench_snn.publishing.parsed import Element, parse
from tests.robustbench_snn.publishing.tables_of_all_kinds import FLAGGED, GAPPED, LABELS, MODELS, TITLE

SITES = ("hostile_site", "shipped_site", "pictured_site")


@pytest.fixture(params=SITES)
def pages(request: pytest.FixtureRequest) -> dict[Path, Element]:
    site: Path = request.getfixturevalue(request.param)
    return {page: parse(page) for page in site.rglob("*.html")}


@pytest.fixture
def table_page(hostile_site: Path) -> Element:
    return parse(hostile_site / "tab/v1.1/index.html")


def ids(root: Element) -> list[str]:
    return [element.attrs["id"] for element in root.all() if "id" in element.attrs]


def rows_of(page: Element) -> dict[str, list[Element]]:
    """The cells of the main table by model, under its headings."""
    (table,) = [element for element in page.all("table") if "data-sortable" in element.attrs]
    (body,) = table.all("tbody")
    found = {}
    for row in body.all("tr"):
        name, *cells = row.all("th", "td")
        found[name.attrs["data-sort"]] = cells
    return found


def heading_of(page: Element) -> list[str]:
    (table,) = [element for element in page.all("table") if "data-sortable" in element.attrs]
    (head,) = table.all("thead")
    return [" ".join(cell.text.split()) for cell in list(head.all("tr"))[1].all("th")][1:]


def test_every_link_leads_to_a_file_and_an_anchor_in_it(pages: dict[Path, Element]) -> None:
    count = 0
    for page, root in pages.items():
        for link in root.all("a", "link"):
            target = urlsplit(link.attrs["href"])
            if target.scheme:
                assert link.tag == "a"
                assert re.fullmatch(r"https://arxiv\.org/abs/\d{4}\.\d{4,5}(v\d+)?", link.attrs["href"])
                continue
            file = (page.parent / unquote(target.path)).resolve() if target.path else page
            assert file.is_file(), f"{page} links {link.attrs['href']}"
            if target.fragment:
                assert unquote(target.fragment) in ids(pages[file]), f"{page} links {link.attrs['href']}"
            count += 1
    assert count > 50


def test_ids_are_given_once(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        assert len(ids(root)) == len(set(ids(root))), page


def test_headings_begin_with_one_h1_and_never_skip_a_level(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        levels = [int(element.tag[1]) for element in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
        assert levels[0] == 1, page
        assert levels.count(1) == 1, page
        assert all(after <= before + 1 for before, after in pairwise(levels)), page


def test_table_headings_say_what_they_head_and_tables_what_they_are(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        for table in root.all("table"):
            assert all(heading.attrs.get("scope") for heading in table.all("th")), page
            (caption,) = table.all("caption")
            assert caption.text.strip(), page


def test_rows_are_as_wide_as_the_headings(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        for table in root.all("table"):
            widths = {sum(int(cell.attrs.get("colspan", 1)) for cell in row.all("th", "td")) for row in table.all("tr")}
            assert len(widths) == 1, page


def test_controls_and_pictures_have_names(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        labelled = [control for label in root.all("label") if label.text.strip() for control in label.all("input")]
        assert all(any(control is other for other in labelled) for control in root.all("input")), page
        assert all(link.text.strip() for link in root.all("a")), page
        assert all(picture.attrs["aria-label"] for picture in root.all("svg") if picture.attrs.get("role") == "img")
        assert all(region.attrs["aria-label"] for region in root.all("div") if "role" in region.attrs)
        assert all(picture.attrs["alt"] for picture in root.all("img")), page


def test_pages_tell_their_language_title_and_width(pages: dict[Path, Element]) -> None:
    for root in pages.values():
        (html,) = root.all("html")
        assert html.attrs["lang"] == "en"
        assert next(root.all("title")).text.strip()
        assert any(meta.attrs.get("name") == "viewport" for meta in root.all("meta"))


def test_nothing_is_loaded_from_elsewhere_and_no_script_is_inline(pages: dict[Path, Element]) -> None:
    for page, root in pages.items():
        loaded = [element.attrs["src"] for element in root.all() if "src" in element.attrs]
        loaded += [element.attrs["href"] for element in root.all("link")]
        for target in loaded:
            assert not urlsplit(target).scheme, page
            assert not urlsplit(target).netloc, page
        assert all(not script.text.strip() for script in root.all("script")), page
        policies = [meta.attrs["content"] for meta in root.all("meta") if "http-equiv" in meta.attrs]
        assert [policy.split("; ")[0] for policy in policies] == ["default-src 'none'"], page
        attributes = {name for element in root.all() for name in element.attrs}
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcset", "srcdoc")]


@pytest.mark.parametrize("site", SITES)
def test_style_sheets_load_nothing(site: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(site)
    (sheet,) = folder.rglob("*.css")
    assert not re.search(r"url\(|@import|@font-face", sheet.read_text())


def test_hostile_text_is_text_and_cannot_turn_its_neighbours(hostile_site: Path) -> None:
    for page in hostile_site.rglob("*.html"):
        root = parse(page)
        scripts = [script.attrs.get("src", "") for script in root.all("script")]
        assert all(re.fullmatch(r"(\.\./)*assets/[\w./]+\.js", source) for source in scripts), page
        assert not list(root.all("b", "i", "u", "em", "h")), page
        assert not re.search("[\u202a-\u202e]", root.text), page
    root = parse(hostile_site / "tab/v1.1/index.html")
    assert next(root.all("h1")).text.split("\n")[0].startswith(TITLE)
    isolated = {element.text for element in root.all("bdi")}
    assert {visible(model) for model in MODELS} <= isolated
    assert "\u202eevil\u2066 {{ 7*7 }}" in rows_of(root)


def test_no_path_leads_out_of_the_site_and_no_two_entries_share_a_page(hostile_site: Path) -> None:
    names = [page.stem.casefold() for page in (hostile_site / "tab/v1.1/entries").glob("*.html")]
    assert len(set(names)) == len(names) == len(MODELS)


def test_numbers_are_the_means_of_the_published_outcomes(hostile_site: Path, table_page: Element) -> None:
    outcomes = read_outcomes(hostile_site / "tab/v1.1/samples.parquet")
    headings = heading_of(table_page)
    for label in ("clean", "pgd", "corruptions"):
        (column,) = [index for index, heading in enumerate(headings) if re.match(rf"{label}\b", heading)]
        for model, cells in rows_of(table_page).items():
            if (model, label) == (GAPPED, "pgd"):
                assert cells[column].text.strip() == "1 of 2 seeds"
                assert "data-sort" not in cells[column].attrs
                continue
            mean = 100 * outcomes.of((model, label)).mean()
            links = [link for link in cells[column].all("a") if link.attrs.get("class") != "flag"]
            assert [link.text for link in links] == [f"{mean:.1f}"]
            assert 100 * float(cells[column].attrs["data-sort"]) == pytest.approx(mean)


def test_bold_are_those_that_the_test_does_not_tell_from_the_best(hostile_site: Path, table_page: Element) -> None:
    outcomes = read_outcomes(hostile_site / "tab/v1.1/samples.parquet")
    column = next(index for index, heading in enumerate(heading_of(table_page)) if heading.startswith("clean"))
    best = rank_groups({model: outcomes.of((model, "clean")) for model in MODELS}).groups[0]
    bold = {model for model, cells in rows_of(table_page).items() if list(cells[column].all("strong"))}
    assert bold == set(best)
    assert 1 < len(bold) < len(MODELS), "the fixture has a tie, and models that are worse"


def test_headings_say_which_way_is_better(table_page: Element) -> None:
    headings = heading_of(table_page)
    arrows = {heading.split(" ")[0]: heading for heading in headings}
    assert "↑" in arrows["pgd"]
    assert "linf, 8/255" in arrows["pgd"]
    assert "↓" in arrows["mCE"]
    assert "↓" in arrows["compute"]
    assert not {"↑", "↓"} & set(arrows["firing"])


def test_columns_stand_in_groups(table_page: Element) -> None:
    (table,) = [element for element in table_page.all("table") if "data-sortable" in element.attrs]
    groups = {
        heading.text: int(heading.attrs["colspan"])
        for heading in table.all("th")
        if heading.attrs["scope"] == "colgroup"
    }
    assert groups == {"clean": 1, "attacks": 2, "corruptions": 2, "spikes": 1, "energy": 1, "model": 3}


def test_flags_stand_in_words_before_their_number_and_are_explained(table_page: Element) -> None:
    column = next(index for index, heading in enumerate(heading_of(table_page)) if heading.startswith("pgd"))
    first, second, number = rows_of(table_page)[FLAGGED][column].all("a")
    assert [first.text, second.text] == ["zero gradient", "<i>own</i>"]
    assert re.fullmatch(r"\d+\.\d", number.text)
    meanings = {term.attrs["id"] for term in table_page.all("dt") if "id" in term.attrs}
    assert {"flag-zero_gradient", "flag-<i>own</i>"} <= meanings


def test_an_entry_tells_its_records_and_the_command_without_places(hostile_site: Path, table_page: Element) -> None:
    link = next(rows_of(table_page)["Direct"][0].all("a"))
    path, _, anchor = link.attrs["href"].partition("#")
    page = parse(hostile_site / "tab/v1.1" / path)
    section = next(element for element in page.all("h3") if element.attrs.get("id") == anchor)
    assert section.text == "clean"
    keys = {code.attrs["title"] for code in page.all("code") if "title" in code.attrs}
    assert len(keys) == 2 * (len(LABELS) + 1), "two seeds of every evaluation and of the training"
    commands = {pre.text for pre in page.all("pre")}
    assert commands == {"rbsnn run '<x>.yaml' --draft"}
    assert "/secret" not in page.text


def test_figures_are_drawn_where_the_table_has_their_data(table_page: Element) -> None:
    titles = [heading.text for figure in table_page.all("figure") for heading in figure.all("h3")]
    assert titles[:4] == [
        "curve: robust accuracy over ε",
        "timesteps: accuracy over T",
        "pgd against parameters",
        "pgd against compute energy (µJ an image)",
    ]
    assert sum(title.startswith("corruptions: ") for title in titles) == len(MODELS)
    assert "Not shown" not in table_page.text
    rings = [circle for circle in table_page.all("circle") if "ring" in circle.attrs["class"]]
    assert len(rings) == len(MODELS), "one at the T of training, on every model's curve over T"


def test_reported_numbers_stand_apart_with_their_source_and_nothing_is_ranked_with_them(table_page: Element) -> None:
    (section,) = [element for element in table_page.all("section") if element.attrs.get("class") == "reported"]
    first, second = [
        [" ".join(cell.text.split()) for cell in row.all("th", "td")]
        for body in section.all("tbody")
        for row in body.all("tr")
    ]
    assert first == ["theirs", "reported", "<em>fog</em>", "4", "99.87 ± 0.5 %"]
    assert second == ["direct", "reported", "–", "–", "1,234,567"]
    assert [heading.text for heading in section.all("h4")] == [
        "CIFAR-10: top-1 <u>accuracy</u>",
        "CIFAR-10: parameters",
    ]
    told = [" ".join(found.text.split()) for found in section.all("dd")]
    assert told == [
        *('<b>A</b> & "others", 2024, arXiv:2401.00001v2', "<i>Table 3</i>", '"><img src=x onerror=alert(1)>'),
        *("B, 2023", "not stated", "none"),
    ]
    assert not list(section.all("strong"))
    assert not [table for table in section.all("table") if "data-sortable" in table.attrs]
    assert table_page.text.count("99.87") == 1
    assert "theirs" not in rows_of(table_page)


def test_what_is_not_drawn_is_said(shipped_site: Path) -> None:
    page = parse(shipped_site / "quickstart/v3.0/index.html")
    text = " ".join(page.text.split())
    assert "Not shown, because this version does not hold it: robust accuracy over ε" in text
    assert "robust accuracy against energy: no record has an energy" in text


def test_the_history_tells_what_changed(hostile_site: Path, shipped_site: Path) -> None:
    text = " ".join(parse(hostile_site / "tab/index.html").text.split())
    assert "From v1.0 to v1.1 New models: <script>alert(1)</script>." in text
    (table,) = parse(hostile_site / "tab/index.html").all("table")
    moved = [[cell.text.strip() for cell in row.all("th", "td")] for row in table.all("tr")][1:]
    assert {(model, label) for model, label, *_ in moved} <= {("direct", label) for label in LABELS}
    for _, _, before, after, points in moved:
        assert float(after) - float(before) == pytest.approx(float(points), abs=0.11)
    assert moved
    others = " ".join(parse(shipped_site / "quickstart/index.html").text.split())
    assert "From v2.0 to v3.0 Another protocol: the numbers do not compare." in others
    assert "evaluation snn_standard is new" in others
    assert others.count("withdrawn:") == 2


def test_heat_maps_hold_the_means_over_seeds(table_page: Element) -> None:
    maps = [table for table in table_page.all("table") if table.attrs.get("class") == "heat"]
    for table in maps:
        (row,) = next(table.all("tbody")).all("tr")
        assert [cell.text for cell in row.all("th", "td")] == ["<b>fog</b>", "75", "25"]
        assert [cell.attrs["class"] for cell in row.all("td")] == ["h15", "h5"]


def test_every_colour_of_a_heat_map_can_be_read(hostile_site: Path) -> None:
    sheet = (hostile_site / "assets/site.css").read_text()
    steps = re.findall(r"\.h\d+ \{ background: #(\w{6}); color: #(000|fff); \}", sheet)
    assert len(steps) == 21
    for ground, ink in steps:
        channels = np.array([int(ground[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        luminance = float(linear @ [0.2126, 0.7152, 0.0722])
        contrast = 1.05 / (luminance + 0.05) if ink == "fff" else (luminance + 0.05) / 0.05
        assert contrast >= 4.5


def test_a_page_of_many_models_names_what_it_leaves_to_the_entries(tmp_path: Path) -> None:
    models = {f"model {number}": 0.5 for number in range(14)}
    tables_of_all_kinds.publish(tmp_path / "results", models)
    write_files(dict(site_files(tmp_path / "results")), tmp_path / "site")
    page = parse(tmp_path / "site/tab/v1.0/index.html")
    text = " ".join(page.text.split())
    assert sum(table.attrs.get("class") == "heat" for table in page.all("table")) == 12
    assert "The heat maps of the 12 most accurate models are shown; 2 others" in text
    assert "The first 8 of 14 models are drawn." in text
    for entry in (tmp_path / "site/tab/v1.0/entries").glob("*.html"):
        assert sum(table.attrs.get("class") == "heat" for table in parse(entry).all("table")) == 1

"""The pieces that pages are made of, each against what was counted by hand or drawn by hypothesis."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.digests import file_digest
from robustbench_snn.errors import UserError
from robustbench_snn.publishing.charts import Axis, Series, chart
from robustbench_snn.publishing.columns import threat
from robustbench_snn.publishing.history import Moved, changes
from robustbench_snn.publishing.names import file_names
from robustbench_snn.publishing.reproduction import reproduce
from robustbench_snn.publishing.series import pareto_front
from robustbench_snn.publishing.workflow import workflow_text, write_workflow
from robustbench_snn.publishing.writing import write_files
from tests.provenance import PROVENANCE
from tests.tables import record, row, score, table

ROOT = Path(__file__).resolve().parents[3]
VENDORED = ROOT / "robustbench_snn/publishing/assets/vendored"


@given(st.lists(st.text(max_size=80), unique=True, max_size=8))
def test_file_names_are_plain_and_differ_even_where_case_does_not_count(names: list[str]) -> None:
    found = file_names(names)
    assert list(found) == names
    assert len({name.casefold() for name in found.values()}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name) for name in found.values())


def test_a_plain_name_stays_what_it_is() -> None:
    assert file_names(["direct", "tdformer_v1.2"]) == {"direct": "direct", "tdformer_v1.2": "tdformer_v1.2"}


points = st.tuples(st.integers(0, 5).map(float), st.integers(0, 5).map(float))


@given(st.lists(points, min_size=1, max_size=12))
def test_the_front_holds_the_points_that_no_other_beats(drawn: list[tuple[float, float]]) -> None:
    unbeaten = {
        (cost, robust)
        for cost, robust in drawn
        if not any(c <= cost and r >= robust and (c, r) != (cost, robust) for c, r in drawn)
    }
    front = pareto_front(drawn)
    assert set(front) == unbeaten
    assert front == sorted(front)


@pytest.mark.parametrize("log", [False, True])
def test_points_of_a_chart_lie_where_their_values_say(log: bool) -> None:
    values = (1.0, 10.0, 100.0)
    drawn = chart("t", [Series("s", tuple((x, x) for x in values))], Axis("x", 1, 100, log), Axis("y", 0, 100))
    places = [
        tuple(map(float, found)) for found in re.findall(r'class="mark s0" transform="translate\((\S+) (\S+)\)', drawn)
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    share = 0.5 if log else 9 / 99
    assert x1 - x0 == pytest.approx(share * (x2 - x0), abs=0.11)
    assert y0 - y1 == pytest.approx((y0 - y2) * 9 / 99, abs=0.11), "larger values are further up"
    assert y0 > y1 > y2


def test_a_chart_escapes_what_it_is_told() -> None:
    drawn = chart('"><script>', [Series("<b>&", ((0, 0),))], Axis("<i>"), Axis("'"))
    assert not re.search("<(?!/?(svg|path|text|title|circle)\\b)", drawn)
    assert "&lt;b&gt;&amp;" in drawn


def test_a_threat_is_told_in_levels_where_they_are_whole() -> None:
    assert threat({"eps": 8 / 255, "norm": "linf"}) == "linf, 8/255"
    assert threat({"eps": 0.5, "norm": "l2"}) == "l2, 0.5"
    assert threat({"norm": "l2"}) == ""


def test_versions_of_one_protocol_are_compared_number_by_number() -> None:
    older = table(row("a", clean=score(0.5)), row("b", clean=score(0.25)))
    newer = table(row("b", clean=score(0.75)), row("c", clean=score(0.5)))
    found = changes(older, newer)
    assert (found.compares, found.added, found.removed) == (True, ("c",), ("a",))
    assert found.moved == (Moved("b", "clean", 0.25, 0.75),)


def test_versions_of_two_protocols_are_not() -> None:
    older, newer = table(row("a", clean=score(0.5))), table(row("a", clean=score(0.7)), protocol="q")
    found = changes(older, newer)
    assert (found.compares, found.moved, found.protocol) == (False, (), ("x changed",))


def test_the_command_keeps_what_changes_numbers_and_drops_places() -> None:
    command = (
        "rbsnn",
        "run",
        "a b.yaml",
        "--set",
        "seeds=[0,1]",
        "--jobs",
        "2",
        "--store=/x",
        "--results",
        "/y",
        "--draft",
    )
    made = record("k" * 64).model_copy(
        update={"provenance": PROVENANCE.model_copy(update={"command": command, "git_commit": "abc"})}
    )
    assert reproduce(made) == "git checkout abc\nrbsnn run 'a b.yaml' --set 'seeds=[0,1]' --draft"
    elsewhere = made.provenance.model_copy(update={"command": ("rbsnn", "run", "/home/me/s.yaml"), "git_commit": None})
    assert reproduce(made.model_copy(update={"provenance": elsewhere})) == "rbsnn run s.yaml --draft"
    assert reproduce(record("k" * 64)) == ""


def test_writing_again_removes_what_is_no_more_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    write_files({"a.html": b"1", "sub/b.html": b"2"}, folder)
    (folder / "mine.txt").write_text("mine")
    write_files({"a.html": b"3"}, folder)
    assert (folder / "a.html").read_bytes() == b"3"
    assert not (folder / "sub").exists()
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UserError, match="was not made by rbsnn publish"):
        write_files({"a.html": b"1"}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_listing_cannot_remove_files_outside(tmp_path: Path) -> None:
    outside, folder = tmp_path / "precious", tmp_path / "site"
    outside.write_text("x")
    folder.mkdir()
    (folder / "rbsnn-files.json").write_text(json.dumps(["../precious", str(outside)]))
    write_files({"a.html": b"1"}, folder)
    assert outside.exists()


def test_vendored_scripts_are_those_of_their_manifest_with_their_licences() -> None:
    found = json.loads((VENDORED / "vendored.json").read_text())
    for script in found:
        assert file_digest(VENDORED / script["file"]) == script["sha256"]
        assert file_digest(VENDORED / script["license_file"]) == script["license_sha256"]
        assert script["version"] in (VENDORED / script["file"]).read_text()[:200]
    known = {script[name] for script in found for name in ("file", "license_file")}
    assert {path.name for path in VENDORED.iterdir()} == known | {"vendored.json", "README.txt"}


def test_the_wheel_is_told_of_every_file_of_the_site() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    room = ROOT / "robustbench_snn/publishing"
    packed = {path for pattern in setup["package-data"]["robustbench_snn.publishing"] for path in room.glob(pattern)}
    there = {path for folder in ("assets", "templates") for path in (room / folder).rglob("*") if path.is_file()}
    assert {path for path in packed if path.is_file()} == there


def test_the_workflow_names_the_results_and_spares_one_made_by_hand(tmp_path: Path) -> None:
    text = workflow_text(Path("my/results"))
    assert "rbsnn publish --to site --results my/results\n" in text
    path = tmp_path / ".github/workflows/pages.yml"
    write_workflow(text, path)
    write_workflow(text + "\n", path)
    assert path.read_text() == text + "\n"
    path.write_text("name: mine\n")
    with pytest.raises(UserError, match="move it away"):
        write_workflow(text, path)
    assert path.read_text() == "name: mine\n"


@pytest.mark.parametrize("results", ["/elsewhere", "../out", "a; rm -rf x", "$(x)"])
def test_a_workflow_takes_no_path_that_a_shell_would_read(results: str) -> None:
    with pytest.raises(UserError, match="plain path"):
        workflow_text(Path(results))


@pytest.mark.parametrize("form", ["", "hub:"])
def test_a_dry_run_names_all_files_and_writes_none(form: str, hostile_results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    given = ["publish", "--to", f"{form}{folder}", "--results", str(hostile_results), "--owner", "me"]
    told = CliRunner().invoke(app, [*given, "--dry-run"])
    assert told.exit_code == 0, told.output
    assert not folder.exists()
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    named = {line.split(None, 1)[1] for line in told.output.splitlines() if line.lstrip()[:1].isdigit()}
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert named == there - {"rbsnn-files.json"}


def test_hub_files_need_an_owner(hostile_results: Path, tmp_path: Path) -> None:
    given = ["publish", "--to", f"hub:{tmp_path / 'files'}", "--results", str(hostile_results)]
    assert isinstance(CliRunner().invoke(app, given).exception, UserError)
    assert not (tmp_path / "files").exists()

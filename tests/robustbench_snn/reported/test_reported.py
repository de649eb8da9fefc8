"""Numbers of papers: what a file must say, and that they are shown and nothing else."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.pages import render_html, render_markdown, render_terminal
from robustbench_snn.leaderboard.pages.grid import reported_grid
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.reported import load_reported, shipped_reported
from robustbench_snn.spec.files import SuiteError, parse_suite
from tests.tables import outcomes, publish, published, row, table

NUMBERS: dict[str, Any] = {
    "title": "Mine",
    "groups": [
        {
            "source": {"citation": "Somebody, 2024", "arxiv": "2401.00001", "where": "table 3"},
            "dataset": "CIFAR-10",
            "metric": "top-1 accuracy",
            "unit": "%",
            "protocol": "clean",
            "numbers": [{"model": "theirs", "value": 99.9, "sd": 0.1, "timesteps": 4}],
        }
    ],
}


def written(folder: Path, data: Any = NUMBERS) -> str:
    path = folder / "mine.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return str(path)


def test_every_shipped_number_is_plausible_and_has_a_source() -> None:
    assert "tdformer" in shipped_reported()
    for name in shipped_reported():
        found = load_reported(name)
        assert (found.name, found.kind) == (name, "reported")
        for group in found.groups:
            assert group.unit == "%"
            assert all(50 < number.value < 100 for number in group.numbers)
            stated = [(number.model, number.timesteps, number.of) for number in group.numbers]
            assert len(set(stated)) == len(stated)


def test_tdformer_s_corruptions_are_those_of_the_paper() -> None:
    (group,) = [one for one in load_reported("tdformer").groups if "mean over 19" in one.protocol]
    assert {(one.model, one.timesteps): one.value for one in group.numbers} == {
        ("Spikformer", 1): 78.11,
        ("TDFormer on Spikformer", 1): 78.55,
        ("Spikformer", 2): 78.52,
        ("TDFormer on Spikformer", 2): 78.84,
        ("Spikformer", 4): 80.53,
        ("TDFormer on Spikformer", 4): 80.78,
    }
    assert str(group.source).endswith("arXiv:2505.15840")


def test_pages_show_them_as_not_measured_and_nothing_ranks_them(tmp_path: Path) -> None:
    plain = table(row("direct"), row("stf"), baseline="direct")
    shown = plain.model_copy(update={"reported": (load_reported(written(tmp_path)),)})
    publish(shown, outcomes(direct=0.4, stf=0.7), tmp_path / "results")
    found = published(tmp_path / "results")
    for page in (render_markdown(found, "v1.0"), render_html(found, "v1.0")):
        _, section = page.split("Reported elsewhere (not measured here)")
        for text in ("theirs", "99.90 ± 0.1 %", "Somebody, 2024, arXiv:2401.00001, table 3", "neither ranked"):
            assert text in section
        assert "theirs" not in page.split("Reported elsewhere")[0]
    console = Console(width=300, file=StringIO(), record=True)
    console.print(render_terminal(found, "v1.0"))
    _, section = console.export_text().split("Reported elsewhere (not measured here)")
    assert f"{len(reported_grid(found.reported).rows)} numbers of papers stand in the table's leaderboard.md" in section
    assert "theirs" not in section
    publish(plain, outcomes(direct=0.4, stf=0.7), tmp_path / "without")
    without = published(tmp_path / "without")
    assert found.model_copy(update={"reported": ()}) == without
    assert "Reported elsewhere" not in render_markdown(without, "v1.0")
    assert Table.model_validate_json(found.model_dump_json()) == found


def test_keys_and_protocol_do_not_depend_on_them() -> None:
    suite: dict[str, Any] = {
        "name": "tiny",
        "dataset": {"name": "digits", "limit": 5},
        "models": [{"name": "a", "encoder": "direct"}],
        "evaluations": ["clean"],
    }
    plain, shown = (
        make_plan(parse_suite(suite | {"table": {"reported": names}}), load_dataset("digits", limit=5))
        for names in ([], ["tdformer"])
    )
    assert plain.protocol_hash == shown.protocol_hash
    assert key_of(plain.train[0]) == key_of(shown.train[0])
    with pytest.raises(SuiteError, match=r"table\.reported\.0: no reported numbers 'tdforme'.*Did you mean 'tdformer'"):
        parse_suite(suite | {"table": {"reported": ["tdforme"]}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "high"}, "numbers.0.value"),
        ({"value": float("nan")}, "not finite"),
        ({"sd": -1}, "numbers.0.sd"),
        ({"rank": 1}, "numbers.0.rank"),
        ({"timesteps": 0}, "numbers.0.timesteps"),
    ],
)
def test_a_number_that_is_none_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    group = NUMBERS["groups"][0]
    data = NUMBERS | {"groups": [group | {"numbers": [group["numbers"][0] | change]}]}
    with pytest.raises(UserError, match=message):
        load_reported(written(tmp_path, data))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: a\ntitle: b\ngroups: []", "'title' stands twice"),
        ("!!python/object/apply:os.system [echo]", "not valid YAML"),
        ("just text", "not as they must be"),
        ("{", "not valid YAML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_reported(written(tmp_path, text))
    with pytest.raises(UserError, match="cannot be read"):
        load_reported(str(tmp_path / "missing.yaml"))

"""From a published table to its next version by way of a file, as its users type it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.published import read_version
from tests.fixture_types import RunCommand
from tests.tiny_suite import TINY

SUITE = TINY | {"table": {"baseline": "direct"}}
NEW = {"name": "mine", "models": [{"name": "mine", "encoder": "ttfs"}]}

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in the test's folder, which must end well or with the code asked for; returns what it said."""
    monkeypatch.chdir(tmp_path)
    for suite in (SUITE, NEW):
        Path(f"{suite['name']}.yaml").write_text(yaml.safe_dump(suite))

    def command(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, UserError):
            assert code == 2, done.exception
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    return command


def test_an_entry_goes_from_a_file_into_the_table(run: Run) -> None:
    run("run", "tiny.yaml", "--publish", "--with-weights")
    added = run("run", "mine.yaml", "--onto", "tiny", "--store", "other", "--draft")
    assert "draft, not published" in added
    assert "onto tiny v1.0: 1 model with 2 records stand as published and are not computed" in added
    assert len(list(Path("other").glob("cells/*"))) == 2
    said = run("submit", "mine", "--from", "other", "-o", "mine.zip", "--with-weights")
    assert "1 files of weights" in said
    assert said.endswith("rbsnn verify mine.zip --onto tiny --rerun 2\n")
    said = run("verify", "mine.zip", "--onto", "tiny", "--rerun", "1")
    assert "passed: protocol of tiny v1.0: the same" in said
    assert "by published weights: equal" in said
    assert "--rerun needs --onto" in run("verify", "mine.zip", "--rerun", "1", code=2)
    assert "wrote results/tiny/v1.1: direct, mine" in run("merge", "mine.zip", "--into", "results", "--publish")
    assert run("leaderboard", "verify").count("sound") == 2
    (key,) = read_version(Path("results/tiny/v1.1")).row("mine").cells["clean"].records
    assert "equal: 0 of 20 samples have another outcome" in run("reproduce", key[:12], "--from", "tiny")
    assert "3 cells taken" not in run("merge", "runs", "other", "--into", "all")
    assert len(list(Path("all").glob("cells/*"))) == 4
    assert "is a store, not all of the others are" in run("merge", "runs", "mine.zip", "--into", "all", code=2)


def test_limits_and_unknown_tables_are_refused(run: Run) -> None:
    run("run", "tiny.yaml", "--publish")
    assert "--limit and --onto exclude each other" in run("run", "mine.yaml", "--onto", "tiny", "--limit", "3", code=2)
    assert "no published table 'tina'" in run("run", "mine.yaml", "--onto", "tina", code=2)
    said = run("run", "mine.yaml", "--onto", "tiny", "--set", "evaluation_seed=4", code=2)
    assert "evaluation_seed: the suite says 4, the table has 0" in said
    Path("results/index.json").write_text("{}")
    assert "index.json" in run("leaderboard", "verify", code=1)
    run("leaderboard", "index")
    run("leaderboard", "verify")


def test_a_suite_that_stands_as_published_has_nothing_left(run: Run) -> None:
    run("run", "tiny.yaml", "--publish")
    stands = "onto tiny v1.0: 1 model with 2 records stand as published and are not computed"
    for command in (["run", "--dry-run"], ["status"], ["run"]):
        said = run(*command[:1], "tiny.yaml", "--onto", "tiny", "--store", "none", *command[1:])
        assert stands in said
        assert "plan of tiny: nothing is left to compute" in said or command == ["run"]
        assert "model ┃" not in said or command == ["run"]  # no table of no cells
    assert "v1.0 stands: nothing new" in said
    assert "1 model, 1 seed each" in run("run", "tiny.yaml", "--onto", "tiny", "--dry-run", "--set", "seeds=[0, 4]")


def test_a_source_is_preferred_by_the_name_that_it_was_given(run: Run) -> None:
    run("run", "tiny.yaml", "--publish")
    run("run", "tiny.yaml", "--set", "seeds=[7]", "--store", "other", "--draft")
    run("submit", "direct", "--from", "other", "-o", "seven.zip")
    merge = ("merge", "seven.zip", "--into", "results", "--publish")
    assert "'direct' of results/tiny and of seven.zip" in run(*merge, code=2)
    assert "--prefer eight.zip is none of results/tiny, seven.zip" in run(*merge, "--prefer", "eight.zip", code=2)
    assert "v1.0 stands" in run(*merge, "--prefer", "tiny")
    assert "wrote results/tiny/v1.1" in run(*merge, "--prefer", "seven.zip")
    assert read_version(Path("results/tiny/v1.1")).row("direct").seeds == (7,)


PLUGIN = '''
import torch
from robustbench_snn.plugins import FrameEncoder, register_encoder

@register_encoder("fading", version=1, stochastic=False, causal=True, gradient="surrogate", spiking=True)
class Fading(FrameEncoder):
    """Weaker from step to step."""

    def frames(self, images, timesteps):
        return torch.stack([self.normalize(images) * 0.9**step for step in range(timesteps)])
'''


def test_entries_of_a_plugin_are_pictured_and_checked_with_it(rbsnn: RunCommand, run: Run) -> None:
    models = [{"name": "mine", "encoder": "fading"}]
    Path("tiny.yaml").write_text(yaml.safe_dump(TINY | {"models": models}))
    Path("mine.py").write_text(PLUGIN)
    Path("other.py").write_text(PLUGIN.replace("0.9", "0.8"))
    done = rbsnn("run", "tiny.yaml", "--plugin", "mine.py", "--publish", "--with-weights")
    assert done.returncode == 0, done.stderr
    lacks = "no pictures of spikes"
    assert f"{lacks}: Unknown encoder 'fading'" in run("publish", "--to", "site")
    said = rbsnn("publish", "--to", "site", "--plugin", "other.py").stdout
    assert f"{lacks}: the code of its encoder 'fading' is not that of the record" in said
    assert lacks not in rbsnn("publish", "--to", "site", "--plugin", "mine.py").stdout
    assert Path("site/tiny/v1.0/entries/mine-spikes.png").is_file()
    said = run("submit", "mine", "--from", "tiny", "-o", "mine.zip")
    assert said.endswith("rbsnn verify mine.zip --onto tiny --rerun 2 --plugin FILE\n")


def test_more_seeds_of_a_row_are_submitted_and_taken_in(run: Run) -> None:
    run("run", "tiny.yaml", "--publish")
    run("run", "tiny.yaml", "--onto", "tiny", "--set", "seeds=[0, 4]", "--store", "other", "--draft")
    (model,) = (row.model for row in read_version(Path("results/tiny/v1.0")).table.rows)
    run("submit", model, "--from", "other", "-o", "more.zip")
    said = run("verify", "more.zip", "--onto", "tiny", "--rerun", "1")
    assert f"has a model of this name already, and this one has all of its records and more: {model}" in said
    assert "wrote results/tiny/v1.1" in run("merge", "more.zip", "--into", "results", "--publish")
    assert read_version(Path("results/tiny/v1.1")).row(model).seeds == (0, 4)
    assert run("leaderboard", "verify").count("sound") == 2

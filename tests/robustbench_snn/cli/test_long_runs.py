"""Long runs as people watch them: a plan, lines with the time, status, retry."""

from __future__ import annotations

import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.cli.run_log import EVERY, WITHIN_EPOCH, RunLog
from robustbench_snn.cli.words import time_left
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution.forecast import Forecast
from robustbench_snn.plan.plan import Plan, make_plan
from robustbench_snn.spec.files import parse_suite
from tests.fixture_types import RunCommand
from tests.tiny_suite import TINY

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d "

FRAGILE = """
from pathlib import Path
from robustbench_snn.plugins import Evaluation, Outcome, register_evaluation

@register_evaluation("fragile", version=1)
class Fragile(Evaluation):
    '''Fails while a file says so.'''

    def run(self, subject):
        if Path("broken").exists() and subject.name.startswith("rate"):
            raise RuntimeError("the file system was away")
        return Outcome(metrics={"share": 1.0})
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


def messages(stderr: str) -> list[str]:
    """The lines of a log without their time, which every one has."""
    lines = stderr.splitlines()
    assert all(re.match(STAMP, line) for line in lines), stderr
    return [re.sub(STAMP, "", line, count=1) for line in lines]


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_a_terminal_a_run_is_lines_with_the_time(rbsnn: RunCommand, suite: Path, jobs: int) -> None:
    found = rbsnn("run", suite, "--draft", "--jobs", jobs)
    assert found.returncode == 0, found.stderr
    expected = [
        r"plan of tiny: 1 model, 1 seed each: 1 training, 1 evaluation of each",
        r"2 cells: 0 in the store, 2 to compute; time left unknown",
        r"started train direct, seed 0",
        r"train direct, seed 0: epoch 1/1, loss \d\.\d{3}, accuracy \d+\.\d%, [\d,]+ images/s, 0 s left of this .+",
        r"finished train direct, seed 0: done in \d+ s; 1/2 cells, time left unknown",
        r"started clean on direct, seed 0",
        r"finished clean on direct, seed 0: \d+\.\d% in \d+ s; 2/2 cells, about 0 s left",
    ]
    lines = messages(found.stderr)
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line), line
    if jobs == 1:
        again = messages(rbsnn("run", suite, "--draft").stderr)
        assert again == [expected[0], "2 cells: 2 in the store, 0 to compute"]
        shown = rbsnn("run", suite, "--dry-run", "--set", "seeds=[0,1]").stdout
        assert "plan of tiny: 1 model, 2 seeds each: 2 trainings, 1 evaluation of each" in shown
        assert re.search(r"^4 cells: 2 in the store, 2 to compute; about \d+ s left$", shown, re.MULTILINE)


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunCommand:
    """As the ``rbsnn`` fixture, in this process."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "140"})
        code = 2 if isinstance(done.exception, UserError) else done.exit_code
        return subprocess.CompletedProcess([], code, done.stdout, done.stderr)

    return run


def test_status_and_retry_of_what_failed(quick: RunCommand, tmp_path: Path) -> None:
    models = [{"name": "direct", "encoder": "direct"}, {"name": "rate", "encoder": "rate"}]
    data = TINY | {"models": models, "evaluations": ["clean", "fragile"]}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(data))
    (tmp_path / "fragile.py").write_text(FRAGILE)
    options = ("s.yaml", "--plugin", "fragile.py", "--store", "kept")

    def status() -> dict[str, Any]:
        shown = quick("status", *options, "--json")
        assert shown.returncode == 0, shown.stderr
        return dict(json.loads(shown.stdout))

    before = status()
    assert before["cells"] == {"done": 0, "failed": 0, "left": 6}
    assert (before["seconds_spent"], before["seconds_left"], before["cells_of_unknown_length"]) == (0, None, 6)
    assert quick("retry", *options).stderr.startswith("no cell of tiny in kept has failed")
    assert not list(tmp_path.glob("kept/cells/*"))

    (tmp_path / "broken").touch()
    failed = quick("run", *options)
    assert failed.returncode == 1
    assert "failed after 0 s: RuntimeError: the file system was away; 6/6 cells" in failed.stderr
    found = status()
    assert found["cells"] == {"done": 5, "failed": 1, "left": 0}
    assert [row["model"] for row in found["models"]] == ["direct", "rate"]
    done, lost = {"done": 1, "failed": 0, "left": 0}, {"done": 0, "failed": 1, "left": 0}
    assert found["models"][0] == {"model": "direct", "training": done, "evaluations": {"clean": done, "fragile": done}}
    assert found["models"][1]["evaluations"] == {"clean": done, "fragile": lost}
    failure = {"cell": "fragile on rate, seed 0", "reason": "RuntimeError: the file system was away"}
    assert found["failures"] == [failure]
    records = [json.loads(path.read_text()) for path in tmp_path.glob("kept/*/*.json")]
    records += [json.loads(path.read_text()) for path in tmp_path.glob("kept/cells/*/record.json")]
    assert found["seconds_spent"] == pytest.approx(sum(r["provenance"]["wall_seconds"] for r in records), rel=0.01)
    text = quick("status", *options).stdout
    assert "0/1, 1 failed" in text
    assert "failed: fragile on rate, seed 0: RuntimeError: the file system was away" in text
    assert "6 cells: 5 in the store, 1 failed before, to be tried again, 0 to compute" in text

    (tmp_path / "broken").unlink()
    assert quick("retry", *options, "--fresh").returncode == 2
    kept = {path: path.read_bytes() for path in tmp_path.glob("kept/cells/*/record.json")}
    assert len(kept) == 5
    retried = quick("retry", *options, "--draft")
    assert retried.returncode == 0, retried.stderr
    assert retried.stderr.startswith("tries again: fragile on rate, seed 0: RuntimeError: the file system was away\n")
    assert [line.split(":")[0] for line in messages(retried.stderr.partition("\n")[2])[2:]] == [
        "started fragile on rate, seed 0",
        "finished fragile on rate, seed 0",
    ]
    assert {path: path.read_bytes() for path in kept} == kept
    assert len(list(tmp_path.glob("kept/cells/*/record.json"))) == 6
    assert not list(tmp_path.glob("kept/failed/*"))
    assert status()["cells"] == {"done": 6, "failed": 0, "left": 0}


def test_impossible_models_stop_a_run_before_it_trains(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    wide, deep = ({"spikformer": {"depth": 1, "width": 128, "heads": heads}} for heads in (5, 7))
    models = [
        {"name": "direct", "encoder": "direct"},
        {"name": "five", "encoder": "direct", "backbone": wide},
        {"name": "seven", "encoder": "direct", "backbone": deep},
    ]
    suite.write_text(yaml.safe_dump(TINY | {"models": models}))
    found = rbsnn("run", suite, "--jobs", 2)
    assert found.returncode == 2
    assert "2 models cannot run" in found.stderr
    assert "five: width 128 is not divisible by 5 (heads)" in found.stderr
    assert "seven: width 128 is not divisible by 7 (heads)" in found.stderr
    assert "started" not in found.stderr
    assert not list(tmp_path.glob("runs/*/*"))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def plan() -> Plan:
    spec = parse_suite(TINY | {"models": [{"name": "a", "encoder": "direct"}]})
    return make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))


def test_epochs_are_told_now_and_then_the_first_and_the_last_always(plan: Plan) -> None:
    clock, stream = Clock(), io.StringIO()
    training = RunLog(Console(file=stream, width=40), clock).training(plan.train[0])
    for epoch in range(1, 101):
        clock.now += EVERY / 4.5
        training.epoch(epoch, 100, 1.0, 0.5, 10.0, 1.0)
    told = [int(found) for found in re.findall(r"epoch (\d+)/100", stream.getvalue())]
    assert told == [1, *range(6, 100, 5), 100]
    assert len(messages(stream.getvalue())) == len(told) + 1, "one line each, however narrow the console"


def test_a_long_epoch_shows_that_it_goes_on(plan: Plan) -> None:
    clock, stream = Clock(), io.StringIO()
    training = RunLog(Console(file=stream), clock).training(plan.train[0])
    for batch in range(1, 1001):
        clock.now += 1.0
        training.batch(1, 2, batch, 1000, 3.0)
    told = [int(found) for found in re.findall(r"epoch 1/2, batch (\d+)/1000, 3 images/s", stream.getvalue())]
    assert told == [int(WITHIN_EPOCH) * count for count in (1, 2, 3)]


def test_samples_are_told_now_and_then(plan: Plan) -> None:
    clock, stream = Clock(), io.StringIO()
    advance = RunLog(Console(file=stream), clock).evaluating(plan.evaluate[0])
    for done in range(1, 101):
        clock.now += EVERY / 10
        advance(done, 100)
    told = messages(stream.getvalue())
    assert told[0] == "started clean on a, seed 0"
    assert told[1:] == [f"clean on a, seed 0: {done}/100 samples" for done in range(10, 101, 10)]


def test_a_line_of_the_log_is_one_line_whatever_a_message_holds() -> None:
    stream = io.StringIO()
    RunLog(Console(file=stream)).say("a\nb [bold]c[/] \x1b[31m")
    assert messages(stream.getvalue()) == ["a b [bold]c[/] \\u001b[31m"]


@pytest.mark.parametrize(
    ("seconds", "unknown", "text"),
    [
        (0.0, 3, "time left unknown"),
        (75.0, 0, "about 1 min 15 s left"),
        (75.0, 1, "about 1 min 15 s left + 1 unknown cell"),
        (0.0, 0, "about 0 s left"),
    ],
)
def test_what_is_not_known_is_said(seconds: float, unknown: int, text: str) -> None:
    assert time_left(Forecast(seconds, unknown)) == text

"""What people type first, and what they are told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.exchange.published import find_version
from tests.fixture_types import RunCommand

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "results"

EVALUATION = """
from robustbench_snn.plugins import Evaluation, Outcome, register_evaluation

@register_evaluation("my_check", version=1)
class MyCheck(Evaluation):
    '''Checks nothing.'''

    flags = {"my_flag": "My own flag. It means nothing."}

    def run(self, subject):
        return Outcome(metrics={"share": 1.0}, flags=("my_flag",))
"""


class Unsafe:
    """An object that torch refuses to load."""


def shown(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("suites", "quickstart", "baseline: direct"),
        ("suite", "quickstart", "baseline: direct"),
        ("recipe", "digits_quick", "epochs: "),
        ("flag", "zero_gradient", "More than 1 %"),
        ("reported", "tdformer", "TDFormer on Spikformer, T = 4: 80.78"),
        ("encoder", "stf", "kernel"),
    ],
)
def test_whatever_is_listed_is_described(kind: str, name: str, text: str) -> None:
    assert name in shown("list", kind)
    assert text in shown("describe", kind, name)
    assert json.loads(shown("describe", kind, name, "--json"))["name"] == name


def test_plugins_are_listed_described_and_their_flags_explained(rbsnn: RunCommand, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(EVALUATION)
    assert "my_check" in rbsnn("list", "evaluations", "--plugin", "mine.py").stdout
    assert "Checks nothing." in rbsnn("describe", "evaluation", "my_check", "--plugin", "mine.py").stdout
    assert rbsnn("explain", "my_flag", "--plugin", "mine.py").stdout.startswith("My own flag.")
    assert rbsnn("explain", "my_flag").returncode == 2
    checked = rbsnn("check", "evaluation", "mine.py", COLUMNS="200")
    (line,) = [line for line in checked.stdout.splitlines() if "flags are known" in line]
    assert "passed" in line


def test_a_record_is_found_without_naming_its_table() -> None:
    version = find_version("quickstart", RESULTS)
    (line, *_) = (version / "records.jsonl").read_text().splitlines()
    key = json.loads(line)["key"]
    assert json.loads(shown("leaderboard", "--record", key[:12], "--results", RESULTS))["key"] == key
    assert json.loads(shown("leaderboard", "quickstart", "--record", key, "--results", RESULTS))["key"] == key


def test_a_version_needs_no_v() -> None:
    wanted = ("leaderboard", "quickstart", "--json", "--results", RESULTS, "--version")
    assert shown(*wanted, "3.0") == shown(*wanted, "v3.0")
    assert shown(*wanted, "1.0") != shown(*wanted, "v3.0")


@pytest.mark.parametrize("change", ["models.6=direct", "models.0.encoder=direct"])
def test_an_item_of_a_grid_s_models_is_refused_and_told_why(rbsnn: RunCommand, change: str) -> None:
    refused = rbsnn("run", "digits-encoders", "--set", change, "--dry-run")
    assert refused.returncode == 2
    assert "has no list 'models'" in refused.stderr
    assert "grid.encoders" in refused.stderr


def test_styles_and_pictures_in_labels_and_messages_are_text(rbsnn: RunCommand) -> None:
    change = "evaluations=[{fgsm: {eps: 0.1, label: '[bold]x[/] [/] :warning:'}}]"
    shown = rbsnn("run", "quickstart", "--set", change, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "[bold]x[/] [/] :warning:" in shown.stdout
    assert "[/]no" in rbsnn("run", "[/]no").stderr


def test_import_weights_never_advises_to_run_what_a_file_holds(rbsnn: RunCommand, tmp_path: Path) -> None:
    torch.save({"model": Unsafe()}, tmp_path / "unsafe.pth")
    refused = rbsnn("import-weights", "unsafe.pth")
    assert refused.returncode == 2
    assert "it was not loaded" in refused.stderr
    assert "Unsafe" in refused.stderr
    for advice in ("weights_only", "add_safe_globals", "torch.load", "\x1b["):
        assert advice not in refused.stderr


def test_new_says_where_it_wrote(rbsnn: RunCommand, tmp_path: Path) -> None:
    assert f"wrote mine/code.py (in {tmp_path}/mine)" in rbsnn("new", "encoder", "code", "--folder", "mine").stdout


def test_outside_a_checkout_the_tables_are_named_by_an_option_or_a_variable(rbsnn: RunCommand, tmp_path: Path) -> None:
    nothing = rbsnn("leaderboard").stdout
    assert f"no published tables in {tmp_path}/results" in nothing
    assert "--results or RBSNN_RESULTS" in nothing
    assert "quickstart: v1.0" in rbsnn("leaderboard", RBSNN_RESULTS=str(RESULTS)).stdout


def test_lists_in_shown_commands_are_quoted_for_zsh() -> None:
    pages = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if ".venv" not in path.parts]
    for page in pages:
        for value in re.findall(r"--set (\S+)", page.read_text()):
            assert not re.search(r"[\[\]{}*?]", value) or value[0] in "\"'", f"{page.name}: --set {value}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rbsnn run quick", "quickstart"),
        ("rbsnn status quick", "quickstart"),
        ("rbsnn retry quick", "quickstart"),
        ("rbsnn retry quickstart --onto quick", "quickstart"),
        ("rbsnn status quickstart --js", "--json"),
        ("rbsnn retry quickstart --check", "--checkpointing"),
        ("rbsnn sta", "status"),
        ("rbsnn describe enc", "encoders"),
        ("rbsnn describe encoder st", "stf"),
        ("rbsnn describe suites quick", "quickstart"),
        ("rbsnn list flag", "flags"),
        ("rbsnn explain zero", "zero_gradient"),
        ("rbsnn plot encoder st", "stf"),
    ],
)
def test_the_shell_completes_names_without_torch(words: str, expected: str) -> None:
    code = (
        "import sys\nfrom robustbench_snn.cli import app\n"
        "try: app(prog_name='rbsnn')\nexcept SystemExit: pass\nsys.exit(7 if 'torch' in sys.modules else 0)"
    )
    environment = {"_RBSNN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert expected in done.stdout.split(), done.stderr
    assert done.returncode == 0

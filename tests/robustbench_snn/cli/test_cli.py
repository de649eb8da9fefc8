"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.fixture_types import RunCommand
from tests.tiny_suite import TINY

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["list", "encoders"], ["list", "suites"], ["leaderboard"]])
def test_light_commands_do_not_import_torch(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys\nfrom robustbench_snn.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False).returncode == 0


def test_run_ends_with_the_leaderboard_and_the_path_and_resumes(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    first = rbsnn("run", suite, "--publish")
    assert first.returncode == 0, first.stderr
    assert "direct" in first.stdout
    assert "wrote results/tiny/v1.0" in first.stdout
    for name in ("table.json", "samples.parquet", "leaderboard.md"):
        assert (tmp_path / "results/tiny/v1.0" / name).is_file()
    assert (tmp_path / "results/README.md").is_file()
    records = {path: path.read_bytes() for path in tmp_path.glob("runs/cells/*/record.json")}
    assert len(records) == 2
    second = rbsnn("run", suite)
    assert "v1.0 stands" in second.stdout
    assert [path.name for path in tmp_path.glob("results/tiny/*")] == ["v1.0"]
    assert {path: path.read_bytes() for path in tmp_path.glob("runs/cells/*/record.json")} == records
    shown = rbsnn("leaderboard", "tiny", "--json")
    assert json.loads(shown.stdout)["rows"][0]["model"] == "direct"
    assert rbsnn("leaderboard", "tiny", "--svg", "picture.svg").returncode == 0
    picture = (tmp_path / "picture.svg").read_text()
    assert "direct" in picture
    assert "url(&quot;http" not in picture
    assert 'url("http' not in picture


def test_jobs_find_the_same_accuracy(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    one = rbsnn("run", suite, "--results", "a", "--store", "one", "--publish")
    two = rbsnn("run", suite, "--results", "b", "--store", "two", "--jobs", "2", "--publish")
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    tables = [json.loads((tmp_path / name / "tiny/v1.0/table.json").read_text()) for name in "ab"]
    assert tables[0]["rows"][0]["cells"]["clean"]["metrics"] == tables[1]["rows"][0]["cells"]["clean"]["metrics"]


def test_dry_run_shows_the_plan_and_computes_nothing(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    shown = rbsnn("run", suite, "--dry-run", "--limit", "7")
    assert shown.returncode == 0, shown.stderr
    assert "to do" in shown.stdout
    assert "7 samples of digits" in shown.stdout
    assert not list(tmp_path.glob("runs/cells/*"))
    assert not (tmp_path / "results" / "tiny").exists()


def test_dry_run_shows_the_keys_that_the_run_computes(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    """Those of transfer among them, which depend on the weights of the suite's other models."""
    models = [{"name": "direct", "encoder": "direct"}, {"name": "delta", "encoder": "sigma_delta"}]
    evaluations = ["clean", {"transfer": {"eps": 0.01, "steps": 1}}]
    suite.write_text(yaml.safe_dump(TINY | {"models": models, "evaluations": evaluations}))
    before = rbsnn("run", suite, "--dry-run").stdout
    assert before.count("after training") == 4
    assert rbsnn("run", suite).returncode == 0
    after = rbsnn("run", suite, "--dry-run").stdout
    assert "to do" not in after
    keys = [path.name for path in tmp_path.glob("runs/cells/*")]
    assert len(keys) == 6
    assert all(key[:12] in after for key in keys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "no suite file"),
        (["run", "tiny.yaml", "--set", "models.0.encoder=sft"], "Did you mean 'stf'?"),
        (["run", "tiny.yaml", "--set", "timesteps=0"], "greater than or equal to 1"),
        (["run", "tiny.yaml", "--device", "cuda:99"], "cannot be used"),
        (["run", "tiny.yaml", "--plugin", "missing.py"], "is not a file"),
        (["run", "tiny.yaml", "--results", "tiny.yaml/x"], "choose another --results"),
        (["run", "tiny.yaml", "--store", "tiny.yaml/x"], "choose another folder with --store"),
        (["run", "tiny.yaml", "--set", "dataset={name: fashion_mnist, root: nowhere}"], "nowhere"),
        (["run", "tiny.yaml", "--set", "backbone.name=spikformr"], "Did you mean 'spikformer'?"),
        (["describe", "encoder", "stff"], "Did you mean 'stf'?"),
        (["list", "encodrs"], "Did you mean 'encoders'?"),
        (["leaderboard", "none"], "no published table"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    rbsnn: RunCommand, suite: Path, arguments: list[str], message: str
) -> None:
    found = rbsnn(*arguments)
    assert found.returncode == 2
    assert message in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_timesteps_beyond_a_refusing_embedding_fail_that_cell_alone(
    rbsnn: RunCommand, suite: Path, tmp_path: Path
) -> None:
    data = TINY | {
        "models": [{"name": "stf", "encoder": {"stf": {"overrun": "refuse"}}}],
        "evaluations": ["clean", {"timesteps": {"timesteps": [1, 2, 4]}}],
    }
    suite.write_text(yaml.safe_dump(data))
    found = rbsnn("run", suite)
    assert found.returncode == 2
    assert "was trained for 2 timesteps and cannot serve 4" in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    assert "draft, not published: 1 cells failed" in found.stdout
    table = json.loads((tmp_path / "runs/drafts/tiny/table.json").read_text())
    assert "clean" in table["rows"][0]["cells"]
    assert "timesteps" in table["rows"][0]["failures"]


def test_a_damaged_record_is_set_aside_and_computed_again(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    assert rbsnn("run", suite, "--publish").returncode == 0
    record = next(path for path in tmp_path.glob("runs/cells/*/record.json") if '"evaluate"' in path.read_text())
    record.write_text(record.read_text()[:100])
    found = rbsnn("run", suite, "--jobs", "2")
    assert found.returncode == 0, found.stderr
    key = record.parent.name
    assert f"set aside: runs/set_aside/{key}.1: record.json is damaged" in found.stderr
    assert "v1.0 stands" in found.stdout
    assert (tmp_path / "runs" / "set_aside" / f"{key}.1" / "reason.txt").is_file()
    assert len(list(tmp_path.glob("runs/cells/*/record.json"))) == 2


def test_fewer_samples_make_a_draft_that_says_why(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    found = rbsnn("run", suite, "--limit", "7")
    assert found.returncode == 0, found.stderr
    assert "draft, not published: only 7 samples (--limit)" in found.stdout
    assert "runs/drafts/tiny/leaderboard.md" in found.stdout
    assert not (tmp_path / "results" / "tiny").exists()
    assert rbsnn("run", suite, "--draft", "--publish").returncode == 2


def test_verify_tells_what_was_changed(rbsnn: RunCommand, suite: Path, tmp_path: Path) -> None:
    assert rbsnn("run", suite, "--publish").returncode == 0
    sound = rbsnn("leaderboard", "verify")
    assert (sound.returncode, sound.stdout) == (0, "tiny v1.0: sound\n")
    path = tmp_path / "results" / "tiny" / "v1.0" / "table.json"
    path.write_text(path.read_text().replace('"rank": 1', '"rank": 2').replace('"samples": 20', '"samples": 21'))
    found = rbsnn("leaderboard", "verify", "tiny", "--results", "results")
    assert found.returncode == 1
    assert "tiny v1.0: table.json, direct, clean/samples: expected 20, found 21" in found.stderr
    assert rbsnn("leaderboard", "verify", "none").returncode == 2


KINDS = ["encoders", "backbones", "evaluations", "datasets", "recipes", "suites", "attacks", "corruptions"]
KINDS += ["event_corruptions"]


@pytest.mark.parametrize("kind", KINDS)
def test_list_gives_json_objects_with_a_name(rbsnn: RunCommand, kind: str) -> None:
    found = json.loads(rbsnn("list", kind, "--json").stdout)
    assert found
    assert all(entry["name"] and entry["summary"] for entry in found)


def test_describe_gives_the_published_parameter_counts(rbsnn: RunCommand) -> None:
    found = rbsnn("describe", "backbone", "spikformer_4_384", "--classes", "100", "--json")
    facts = json.loads(found.stdout)
    assert facts["parameters"] == 9_365_524
    assert facts["parameters_used"] == 9_365_524 - 6_144


def test_describe_shows_parameters_with_their_ranges(rbsnn: RunCommand) -> None:
    shown = rbsnn("describe", "evaluation", "pgd")
    assert shown.returncode == 0, shown.stderr
    assert "steps" in shown.stdout
    assert "≥ 1" in shown.stdout


def test_schema_accepts_the_shipped_suites_and_rejects_a_typo(rbsnn: RunCommand) -> None:
    schema = json.loads(rbsnn("schema").stdout)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)
    for path in (ROOT / "suites").glob("*.yaml"):
        assert validator.is_valid(yaml.safe_load(path.read_text())), path
    typo = {"models": [{"name": "a", "encoder": {"stf": {"kernl": 1}}}]}
    mistakes: list[dict[str, Any]] = [{"modles": []}, typo, {"evaluations": ["pgdd"]}]
    for mistake in mistakes:
        assert not validator.is_valid(TINY | mistake)


def test_the_committed_schema_is_the_programs(rbsnn: RunCommand) -> None:
    committed = json.loads((ROOT / "robustbench_snn" / "suite.schema.json").read_text())
    assert committed == json.loads(rbsnn("schema").stdout)


def test_doctor_tells_versions_devices_and_datasets(rbsnn: RunCommand) -> None:
    facts = json.loads(rbsnn("doctor", "--json").stdout)
    assert "torch" in facts["versions"]
    assert facts["neurons"]["cpu"] == "lif: fused, plain"
    assert "test samples" in facts["datasets"]["digits"]

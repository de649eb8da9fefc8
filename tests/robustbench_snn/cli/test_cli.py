"""The command line as a user meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TINY = {
    "name": "tiny",
    "dataset": {"name": "digits", "limit": 20, "train_limit": 64},
    "timesteps": 2,
    "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "0100"}},
    "recipe": {"epochs": 1, "batch_size": 32},
    "models": [{"name": "direct", "encoder": "direct"}],
    "evaluations": ["clean"],
}


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["list", "encoders"], ["list", "suites"], ["leaderboard"]])
def test_light_commands_do_not_import_torch(tmp_path, arguments):
    code = (
        "import sys\nfrom robustbench_snn.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=False).returncode == 0


def test_run_ends_with_the_leaderboard_and_the_path_and_resumes(rbsnn, suite, tmp_path):
    first = rbsnn("run", suite)
    assert first.returncode == 0, first.stderr
    assert "direct" in first.stdout
    assert "wrote results/tiny/v1.0" in first.stdout
    for name in ("table.json", "samples.parquet", "leaderboard.md"):
        assert (tmp_path / "results/tiny/v1.0" / name).is_file()
    assert (tmp_path / "results/README.md").is_file()
    records = {path: path.read_bytes() for path in tmp_path.glob("runs/cells/*/record.json")}
    assert len(records) == 2
    second = rbsnn("run", suite)
    assert "wrote results/tiny/v1.1" in second.stdout
    assert {path: path.read_bytes() for path in tmp_path.glob("runs/cells/*/record.json")} == records
    shown = rbsnn("leaderboard", "tiny", "--json")
    assert json.loads(shown.stdout)["rows"][0]["model"] == "direct"
    assert rbsnn("leaderboard", "tiny", "--svg", "picture.svg").returncode == 0
    picture = (tmp_path / "picture.svg").read_text()
    assert "direct" in picture
    assert "url(&quot;http" not in picture
    assert 'url("http' not in picture


def test_jobs_find_the_same_accuracy(rbsnn, suite, tmp_path):
    one = rbsnn("run", suite, "--results", "a", "--store", "one")
    two = rbsnn("run", suite, "--results", "b", "--store", "two", "--jobs", "2")
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    tables = [json.loads((tmp_path / name / "tiny/v1.0/table.json").read_text()) for name in "ab"]
    assert tables[0]["rows"][0]["cells"]["clean"]["metrics"] == tables[1]["rows"][0]["cells"]["clean"]["metrics"]


def test_dry_run_shows_the_plan_and_computes_nothing(rbsnn, suite, tmp_path):
    shown = rbsnn("run", suite, "--dry-run", "--limit", "7")
    assert shown.returncode == 0, shown.stderr
    assert "to do" in shown.stdout
    assert "7 samples of digits" in shown.stdout
    assert not list(tmp_path.glob("runs/cells/*"))
    assert not (tmp_path / "results" / "tiny").exists()


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
def test_bad_input_is_one_message_and_exit_code_2(rbsnn, suite, arguments, message):
    found = rbsnn(*arguments)
    assert found.returncode == 2
    assert message in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


def test_timesteps_beyond_a_refusing_embedding_fail_that_cell_alone(rbsnn, suite, tmp_path):
    data = TINY | {
        "models": [{"name": "stf", "encoder": {"stf": {"overrun": "refuse"}}}],
        "evaluations": ["clean", {"timesteps": {"timesteps": [1, 2, 4]}}],
    }
    suite.write_text(yaml.safe_dump(data))
    found = rbsnn("run", suite)
    assert found.returncode == 2
    assert "was trained for 2 timesteps and cannot serve 4" in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    table = json.loads((tmp_path / "results/tiny/v1.0/table.json").read_text())
    assert "clean" in table["rows"][0]["cells"]
    assert "timesteps" in table["rows"][0]["failures"]


def test_a_damaged_record_is_named_and_everything_else_kept(rbsnn, suite, tmp_path):
    assert rbsnn("run", suite).returncode == 0
    record = next(path for path in tmp_path.glob("runs/cells/*/record.json") if '"evaluate"' in path.read_text())
    record.write_text(record.read_text()[:100])
    found = rbsnn("run", suite)
    assert found.returncode == 2
    assert "is damaged" in found.stderr
    assert len(list(tmp_path.glob("runs/cells/*/record.json"))) == 2


KINDS = ["encoders", "backbones", "evaluations", "datasets", "recipes", "suites", "attacks", "corruptions"]


@pytest.mark.parametrize("kind", KINDS)
def test_list_gives_json_objects_with_a_name(rbsnn, kind):
    found = json.loads(rbsnn("list", kind, "--json").stdout)
    assert found
    assert all(entry["name"] and entry["summary"] for entry in found)


def test_describe_gives_the_published_parameter_counts(rbsnn):
    found = rbsnn("describe", "backbone", "spikformer_4_384", "--classes", "100", "--json")
    facts = json.loads(found.stdout)
    assert facts["parameters"] == 9_365_524
    assert facts["parameters_used"] == 9_365_524 - 6_144


def test_describe_shows_parameters_with_their_ranges(rbsnn):
    shown = rbsnn("describe", "evaluation", "pgd")
    assert shown.returncode == 0, shown.stderr
    assert "steps" in shown.stdout
    assert "≥ 1" in shown.stdout


def test_schema_accepts_the_shipped_suites_and_rejects_a_typo(rbsnn):
    schema = json.loads(rbsnn("schema").stdout)
    for path in (ROOT / "suites").glob("*.yaml"):
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    typo = {"models": [{"name": "a", "encoder": {"stf": {"kernl": 1}}}]}
    for mistake in ({"modles": []}, typo, {"evaluations": ["pgdd"]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(TINY | mistake, schema)


def test_the_committed_schema_is_the_programs(rbsnn):
    committed = json.loads((ROOT / "robustbench_snn" / "suite.schema.json").read_text())
    assert committed == json.loads(rbsnn("schema").stdout)


def test_doctor_tells_versions_devices_and_datasets(rbsnn):
    facts = json.loads(rbsnn("doctor", "--json").stdout)
    assert "torch" in facts["versions"]
    assert facts["neurons"]["cpu"] == "lif: torch-reference"
    assert "test samples" in facts["datasets"]["digits"]

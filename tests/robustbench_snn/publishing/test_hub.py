"""The files for the hub, read by what reads them there: the hub's own library, a JSON schema, a markdown parser."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from pathlib import Path

import huggingface_hub
import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from markdown_it import MarkdownIt

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.versions import Version
from robustbench_snn.leaderboard.withdrawal import withdraw
from robustbench_snn.publishing.hub import Hub, hub_files
from tests.robustbench_snn.publishing import tables_of_all_kinds
from tests.robustbench_snn.publishing.tables_of_all_kinds import FLAGGED, GAPPED, LABELS, MODELS, TITLE

SCHEMA = json.loads((Path(__file__).parent / "schemas/every_eval_ever.json").read_text())


@pytest.fixture(scope="module")
def files(hostile_results: Path) -> dict[str, bytes]:
    return dict(hub_files(hostile_results, Hub("some-one")))


def results_of(files: dict[str, bytes]) -> dict[str, list[huggingface_hub.EvalResultEntry]]:
    """Every model repository's entries, as the hub's library reads them."""
    found = {name: content for name, content in files.items() if "/.eval_results/" in name}
    return {name: huggingface_hub.parse_eval_result_entries(yaml.safe_load(content)) for name, content in found.items()}


def test_paths_are_plain(files: dict[str, bytes]) -> None:
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") for name in files)
    assert not [name for name in files if ".." in name.split("/")]


def test_the_hub_s_library_reads_the_results_which_are_the_means_of_the_outcomes(files: dict[str, bytes]) -> None:
    outcomes = pq.read_table(io.BytesIO(files["datasets/tab/data/outcomes.parquet"]))
    grouped = outcomes.group_by(["model", "evaluation"]).aggregate([("outcome", "mean")]).to_pylist()
    means = {(row["model"], row["evaluation"]): round(row["outcome_mean"], 6) for row in grouped}
    read = results_of(files)
    assert len(read) == len(MODELS)
    told = sorted((entry.task_id, round(entry.value / 100, 6)) for entries in read.values() for entry in entries)
    known = [(label, mean) for (model, label), mean in means.items() if label != "timesteps"]
    known.remove(("curve", means[FLAGGED, "curve"]))
    assert told == sorted(known)


def test_results_name_tasks_of_the_benchmark_and_say_their_flags_first(files: dict[str, bytes]) -> None:
    benchmark = yaml.safe_load(files["datasets/tab/eval.yaml"])
    assert set(benchmark) == {"name", "description", "evaluation_framework", "tasks"}
    assert benchmark["name"] == TITLE
    tasks = {task["id"] for task in benchmark["tasks"]}
    assert tasks == {"clean", "pgd", "curve", "corruptions"}
    card = yaml.safe_load(files["datasets/tab/README.md"].decode().split("---\n")[1])
    assert {(task["config"], task["split"]) for task in benchmark["tasks"]} <= {
        (config["config_name"], part["split"]) for config in card["configs"] for part in config["data_files"]
    }
    entries = [entry for entries in results_of(files).values() for entry in entries]
    assert {entry.task_id for entry in entries} == tasks
    assert {entry.dataset_id for entry in entries} == {"some-one/tab"}
    assert [entry.notes for entry in entries if entry.notes and entry.notes.startswith("zero gradient; ")] != []


def test_the_card_is_one_of_the_hub_and_its_text_is_text(files: dict[str, bytes]) -> None:
    text = files["datasets/tab/README.md"].decode()
    card = huggingface_hub.DatasetCard(text)
    assert vars(card.data)["pretty_name"] == TITLE
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(card.text)
    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in [*tokens, *inline]} & {"html_block", "html_inline", "link_open", "image"} == set()
    cells = [token.content for before, token in pairwise(tokens) if before.type == "td_open"]
    assert len(cells) == len(MODELS) * (1 + 4)
    names = ["".join(child.content for child in token.children or ()) for token in tokens if token.type == "inline"]
    assert set(MODELS) - {"\u202eevil\u2066 {{ 7*7 }}"} <= set(names)


def test_every_path_of_the_card_is_there(files: dict[str, bytes]) -> None:
    card = yaml.safe_load(files["datasets/tab/README.md"].decode().split("---\n")[1])
    paths = {part["path"] for config in card["configs"] for part in config["data_files"]}
    assert {f"datasets/tab/{path}" for path in paths} <= set(files)


def test_scores_hold_a_row_a_number(files: dict[str, bytes]) -> None:
    scores = pq.read_table(io.BytesIO(files["datasets/tab/data/scores.parquet"])).to_pylist()
    assert len(scores) == len(MODELS) * len(LABELS) - 1
    (flagged,) = [row for row in scores if (row["model"], row["evaluation"]) == (FLAGGED, "pgd")]
    assert flagged["flags"] == ["zero_gradient", "<i>own</i>"]
    assert flagged["threat"] == "linf, 8/255"
    assert not [row for row in scores if (row["model"], row["evaluation"]) == (GAPPED, "pgd")]
    assert {row["accuracy"] for row in scores if row["evaluation"] == "profile"} == {None}


def test_every_eval_ever_files_are_valid(files: dict[str, bytes]) -> None:
    found = {name: json.loads(content) for name, content in files.items() if name.startswith("every_eval_ever/")}
    assert len(found) == len(MODELS)
    validator = jsonschema.Draft7Validator(SCHEMA)
    for name, content in found.items():
        assert [error.message for error in validator.iter_errors(content)] == [], name
        assert content["schema_version"] == SCHEMA["version"]
        assert np.all([0 <= result["score_details"]["score"] <= 1 for result in content["evaluation_results"]])
    assert {content["model_info"]["name"] for content in found.values()} == set(MODELS)


def test_the_same_version_makes_the_same_files(hostile_results: Path, files: dict[str, bytes]) -> None:
    assert dict(hub_files(hostile_results, Hub("some-one"))) == files


def test_no_result_of_a_withdrawn_version_goes_to_a_model(tmp_path: Path) -> None:
    tables_of_all_kinds.publish(tmp_path, {"Direct": 0.3})
    withdraw(tmp_path, "tab", Version(1, 0), "a <wrong> number")
    files = dict(hub_files(tmp_path, Hub("me")))
    assert {name.split("/")[0] for name in files} == {"datasets"}
    assert "**Withdrawn:** a &#60;wrong&#62; number" in files["datasets/tab/README.md"].decode()


@pytest.mark.parametrize("owner", ["", "a/b", "../x", "x y", "<b>"])
def test_an_owner_is_a_name_of_the_hub(owner: str) -> None:
    with pytest.raises(UserError, match="--owner"):
        Hub(owner)

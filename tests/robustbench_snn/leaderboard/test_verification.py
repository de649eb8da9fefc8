"""Published versions that were changed by hand: what was changed is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robustbench_snn.leaderboard.manifest import file_hashes
from robustbench_snn.leaderboard.pages import render_pages
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.store.checks import content_digest
from robustbench_snn.store.records import Record
from tests.robustbench_snn.leaderboard.conftest import SUITE, Place

Tamper = Callable[[Path], object]


def findings(place: Place) -> list[str]:
    return [str(finding) for found in verify(place.results) for finding in found.findings]


def edit_table(change: Callable[[dict[str, Any]], object]) -> Tamper:
    def tamper(folder: Path) -> None:
        path = folder / "table.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return tamper


def edit_records(change: Callable[[list[dict[str, Any]]], object], seal: bool = False) -> Tamper:
    def tamper(folder: Path) -> None:
        path = folder / "records.jsonl"
        records = [json.loads(line) for line in path.read_text().splitlines()]
        change(records)
        if seal:
            found = [Record.model_validate(record) for record in records]
            records = [record.model_dump(mode="json") | {"content_sha256": content_digest(record)} for record in found]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))

    return tamper


def careful(*tampers: Tamper) -> Tamper:
    """The same by somebody who also renders the pages again and mends the manifest."""

    def tamper(folder: Path) -> None:
        for step in tampers:
            step(folder)
        table = Table.model_validate_json((folder / "table.json").read_text())
        for name, page in render_pages(table, folder.name).items():
            (folder / name).write_text(page)
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"files": file_hashes(folder)}))

    return tamper


def score(data: dict[str, Any], row: int = 1, label: str = "clean") -> dict[str, Any]:
    found: dict[str, Any] = data["rows"][row]["cells"][label]
    return found


def swap_labels(data: dict[str, Any]) -> None:
    cells = data["rows"][1]["cells"]
    cells["clean"], cells["fgsm"] = cells["fgsm"], cells["clean"]


def forge_row(data: dict[str, Any]) -> None:
    forged = json.loads(json.dumps(data["rows"][1])) | {"model": "forged"}
    for cell in forged["cells"].values():
        cell["accuracy"] = 0.99
    data["rows"].append(forged)


def forge_outcomes(folder: Path) -> None:
    table = pq.read_table(folder / "samples.parquet")
    rows = table.to_pylist()
    copied = [row | {"model": "forged", "outcome": 1.0} for row in rows if row["model"] == "sigma_delta"]
    pq.write_table(pa.Table.from_pylist(rows + copied), folder / "samples.parquet")


def invert_outcomes(folder: Path) -> None:
    rows = pq.read_table(folder / "samples.parquet").to_pylist()
    for row in rows:
        if row["model"] == "sigma_delta" and row["evaluation"] == "clean" and row["seed"] == 0:
            row["outcome"] = 1.0 - row["outcome"]
    pq.write_table(pa.Table.from_pylist(rows), folder / "samples.parquet")


def better(records: list[dict[str, Any]]) -> None:
    record = next(found for found in records if found["kind"] == "evaluate")
    record["metrics"]["accuracy"] = 0.987


def trainings(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for found in records if found["kind"] == "train" and found["model"] == "direct"]


def longer(records: list[dict[str, Any]]) -> None:
    trainings(records)[1]["identity"]["recipe"]["epochs"] = 9999


def elsewhere(records: list[dict[str, Any]]) -> None:
    trainings(records)[1]["identity"]["dataset"]["fingerprint"] = "0" * 64


def weaker(records: list[dict[str, Any]]) -> None:
    for record in records:
        if record["model"] == "sigma_delta" and record["identity"].get("evaluation", {}).get("name") == "fgsm":
            record["identity"]["evaluation"]["parameters"]["eps"] = 0.0001


def renumbered(records: list[dict[str, Any]]) -> None:
    for record in records:
        if record["model"] == "direct" and record["seed"] == 1:
            record["seed"] = 7


def replace(name: str, old: str, new: str) -> Tamper:
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new, 1))


EDITED = edit_table(lambda data: score(data).update(accuracy=0.987))
SWAPPED = edit_table(swap_labels)

TAMPERED: dict[str, tuple[Tamper, tuple[str, ...]]] = {
    "a number of the table": (EDITED, ("table.json, sigma_delta, clean/accuracy: expected", "found 0.987")),
    "a number of the table, carefully": (careful(EDITED), ("table.json, sigma_delta, clean/accuracy: expected",)),
    "a p-value, carefully": (
        careful(edit_table(lambda data: score(data)["against"].update(adjusted_p_value=0.0001))),
        ("table.json, sigma_delta, clean/against/adjusted_p_value: expected",),
    ),
    "a rank, carefully": (
        careful(edit_table(lambda data: score(data).update(rank=7))),
        ("table.json, sigma_delta, clean/rank: expected", "found 7"),
    ),
    "a number of a record": (edit_records(better), ("records.jsonl, line", "does not match its checksum")),
    "a number of a record, carefully": (careful(edit_records(better, seal=True)), ("found", "accuracy: expected")),
    "a record less": (edit_records(lambda records: records.pop()), ("records.jsonl", "expected record", "found none")),
    "a record less, carefully": (careful(edit_records(lambda records: records.pop())), ("expected record",)),
    "a record twice, carefully": (careful(edit_records(lambda found: found.append(found[0]))), ("is there twice",)),
    "no JSON among the records": (replace("records.jsonl", "{", "<"), ("records.jsonl, line 1: expected a record",)),
    "labels swapped, carefully": (careful(SWAPPED), ("sigma_delta", "clean/evaluation/name: expected clean")),
    "a forged row, carefully": (careful(edit_table(forge_row), forge_outcomes), ("forged", "found 0.99")),
    "a row twice": (edit_table(lambda data: data["rows"].append(data["rows"][0])), ("expected one row",)),
    "a row less, carefully": (careful(edit_table(lambda data: data["rows"].pop())), ("a number made of this record",)),
    "outcomes inverted, carefully": (careful(invert_outcomes), ("samples.parquet, sigma_delta, clean, seed 0",)),
    "a seed less, carefully": (
        careful(edit_table(lambda data: data["rows"][1].update(seeds=[0]))),
        ("table.json, sigma_delta, seeds",),
    ),
    "an identity, carefully": (
        careful(edit_table(lambda data: data["rows"][1].update(parameters=5))),
        ("table.json, sigma_delta, parameters", "found 5"),
    ),
    "the protocol, carefully": (
        careful(edit_table(lambda data: data["protocol"].update(seed=5))),
        ("table.json, protocol_hash: expected",),
    ),
    "another dataset's name, carefully": (
        careful(edit_table(lambda data: data.update(dataset="CIFAR-10"))),
        ("table.json, dataset: expected digits, found CIFAR-10",),
    ),
    "more samples, carefully": (
        careful(edit_table(lambda data: data.update(samples=10_000))),
        ("table.json, sigma_delta, clean/samples: expected 10000, found 20",),
    ),
    "a column of a row gone, carefully": (
        careful(edit_table(lambda data: data["rows"][1]["cells"].pop("fgsm"))),
        ("table.json, sigma_delta, fgsm: expected numbers, or what is missing, found neither",),
    ),
    "a training of another recipe, carefully": (
        careful(edit_records(longer, seal=True)),
        ("train/recipe/epochs: expected 1, found 9999",),
    ),
    "a training on other data, carefully": (
        careful(edit_records(elsewhere, seal=True)),
        ("records.jsonl, direct, dataset/fingerprint: expected",),
    ),
    "records of another radius, carefully": (
        careful(edit_records(weaker, seal=True)),
        ("records.jsonl, sigma_delta, fgsm, seed 1/parameters/eps: expected 0.02, found 0.0001",),
    ),
    "another seed, carefully": (
        careful(edit_records(renumbered, seal=True), edit_table(lambda data: data["rows"][0].update(seeds=[0, 7]))),
        ("seed of", "expected 1, found 7"),
    ),
    "a page": (replace("leaderboard.md", "sigma_delta", "sigma"), ("leaderboard.md, line", "leaderboard.md, sha256")),
    "an HTML page": (replace("leaderboard.html", "sigma_delta", "sigma"), ("leaderboard.html, line",)),
    "a file more": (lambda folder: (folder / "notes.txt").write_text("x"), ("notes.txt, sha256: expected not in the",)),
    "a page less": (lambda folder: (folder / "leaderboard.html").unlink(), ("leaderboard.html, sha256",)),
    "samples truncated": (lambda folder: (folder / "samples.parquet").write_bytes(b"PAR1"), ("samples.parquet, sha",)),
    "no table": (lambda folder: (folder / "table.json").write_text("{}"), ("is damaged",)),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), ("manifest.json: expected a manifest",)),
    "another manifest": (replace("manifest.json", '"v1.0"', '"v1.3"'), ("manifest.json, version: expected v1.0",)),
}


def test_what_was_published_is_sound(published: Place) -> None:
    assert findings(published) == []


@pytest.mark.parametrize("name", TAMPERED)
def test_a_change_is_named(place: Place, name: str) -> None:
    tamper, told = TAMPERED[name]
    tamper(place.results / "tiny" / "v1.0")
    found = findings(place)
    assert found
    for part in told:
        assert any(part in finding for finding in found), "\n".join(found)


def test_the_chain_notices_a_change_to_an_earlier_version(place: Place) -> None:
    more = SUITE | {"grid": {"encoders": ["direct", "rate"]}}
    assert place.run(more, mode="publish").released.label == "v1.1"
    assert findings(place) == []
    careful(edit_table(lambda data: data.update(description="other words")))(place.results / "tiny" / "v1.0")
    assert [finding for finding in findings(place) if "previous/sha256" in finding]


def test_versions_from_before_manifests_are_checked_for_what_they_hold(tmp_path: Path) -> None:
    import shutil

    results = Path(__file__).resolve().parents[3] / "results" / "quickstart"
    shutil.copytree(results / "v2.0", tmp_path / "quickstart" / "v2.0")

    def found() -> Iterator[str]:
        for version in verify(tmp_path, "quickstart"):
            assert not version.has_manifest
            yield from map(str, version.findings)

    assert list(found()) == []
    path = tmp_path / "quickstart" / "v2.0" / "table.json"
    data = json.loads(path.read_text())
    data["rows"][0]["cells"]["pgd"]["accuracy"] += 0.01
    path.write_text(json.dumps(data))
    assert any(finding.startswith("table.json, ") and "pgd/accuracy" in finding for finding in found())

"""One entry in a file: packed, checked, run again in part, merged; a forged one is refused."""

from __future__ import annotations

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robustbench_snn.digests import json_digest
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.archive import pack
from robustbench_snn.exchange.merging import merge_tables
from robustbench_snn.exchange.published import Published, read_version
from robustbench_snn.exchange.sources import read_source, read_submission
from robustbench_snn.exchange.submission import check_submission, submit
from robustbench_snn.leaderboard.manifest import file_hashes
from robustbench_snn.leaderboard.verification import verify
from tests.robustbench_snn.exchange.conftest import SUITE, Place


@pytest.fixture(scope="session")
def drafted(published: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with a draft that has one model more than the published table."""
    folder = tmp_path_factory.mktemp("drafted")
    shutil.copytree(published.store, folder / "runs")
    place = Place(folder / "runs", published.results)
    place.run(SUITE | {"grid": {"encoders": ["direct", "ttfs"]}}, mode="draft")
    return place


@pytest.fixture(scope="session")
def file(drafted: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The new model, submitted with its weights."""
    path = tmp_path_factory.mktemp("submitted") / "ttfs.zip"
    (source,) = read_source(str(drafted.store), drafted.results)
    submit(source, "ttfs", path, weights=True)
    return path


def unpacked(file: Path, folder: Path) -> Published:
    folder.mkdir()
    return read_submission(file, folder)


def test_a_submission_holds_one_entry_and_no_code(file: Path, tmp_path: Path) -> None:
    submitted = unpacked(file, tmp_path / "unpacked")
    assert [row.model for row in submitted.table.rows] == ["ttfs"]
    assert {record.model for record in submitted.records.values()} == {"ttfs"}
    assert set(submitted.content.weights) == set(submitted.row("ttfs").training)
    with zipfile.ZipFile(file) as archive:
        endings = {Path(name).suffix for name in archive.namelist()}
    assert endings == {".json", ".jsonl", ".parquet", ".safetensors"}


def test_it_is_checked_against_the_table_and_run_again(file: Path, published: Place, tmp_path: Path) -> None:
    submitted = unpacked(file, tmp_path / "unpacked")
    table = read_version(published.results / "tiny" / "v1.0")
    checks = list(check_submission(submitted, table, rerun=2, seed=0))
    assert all(check.passed for check in checks), checks
    assert "protocol of tiny v1.0: the same" in [check.said for check in checks]
    assert sum("published weights: equal" in check.said for check in checks) == 2
    assert not any("again" in check.said for check in check_submission(submitted, None, rerun=2))
    again = check_submission(submitted, submitted)
    assert [check.said for check in again if check.passed is False] == [
        "tiny draft has a model of this name already, and this one is not that with more seeds: ttfs"
    ]


def test_it_joins_the_table(file: Path, place: Place, tmp_path: Path) -> None:
    released = merge_tables({"ttfs.zip": unpacked(file, tmp_path / "unpacked")}, place.results, publish=True)
    assert released.label == "v1.1"
    whole = place.run(SUITE | {"grid": {"encoders": ["direct", "sigma_delta", "ttfs"]}}, mode="draft").released.table
    assert {row.model: row for row in released.table.rows} == {row.model: row for row in whole.rows}
    assert [found.findings for found in verify(place.results)] == [(), ()]


def test_an_entry_of_a_version_is_submitted_with_the_weights_that_are_there(
    published: Place, weighty: Place, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"the weights of .* name the store that trained them"):
        submit(read_version(published.results / "tiny" / "v1.0"), "direct", tmp_path / "a.zip", weights=True)
    with pytest.raises(UserError, match=r"has no model 'dircet'\. Did you mean 'direct'"):
        submit(read_version(published.results / "tiny" / "v1.0"), "dircet", tmp_path / "a.zip")
    submit(read_version(weighty.results / "tiny" / "v1.0"), "direct", tmp_path / "a.zip", weights=True)
    assert unpacked(tmp_path / "a.zip", tmp_path / "unpacked").content.weights


def rename(folder: Path, name: str) -> None:
    path = folder / "table.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"name": name}))


def better(folder: Path) -> None:
    path = folder / "table.json"
    data = json.loads(path.read_text())
    data["rows"][0]["cells"]["clean"]["accuracy"] = 0.99
    path.write_text(json.dumps(data))


def foreign_weights(folder: Path) -> None:
    first, second = sorted((folder / "weights").iterdir())
    shutil.copyfile(second, first)


def pickled(folder: Path) -> None:
    next((folder / "weights").iterdir()).write_bytes(b"\x80\x04\x95cos\nsystem\n")


def extra_record(folder: Path) -> None:
    path = folder / "records.jsonl"
    line = json.loads(path.read_text().splitlines()[0])
    path.write_text(path.read_text() + json.dumps(line | {"extra": 1}) + "\n")


def no_time(folder: Path) -> None:
    path = folder / "records.jsonl"
    first, *others = path.read_text().splitlines()
    data = {name: value for name, value in json.loads(first).items() if name != "content_sha256"}
    data["provenance"]["finished"] = "yesterday"
    path.write_text("\n".join([json.dumps({**data, "content_sha256": json_digest(data)}), *others]) + "\n")


def deep(folder: Path) -> None:
    (folder / "table.json").write_text('{"rows": ' + "[" * 100_000)


def many_lines(folder: Path) -> None:
    (folder / "records.jsonl").write_text("\n" * 10_000_000)


def two_rows(folder: Path) -> None:
    path = folder / "table.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"rows": data["rows"] * 2}))


FORGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a name that is a path": (lambda folder: rename(folder, "../../elsewhere"), "no suite could have named"),
    "a better number": (better, "table.json, ttfs, clean/accuracy: expected"),
    "weights of another training": (foreign_weights, "is not what it says: weights/"),
    "a pickle named as weights": (pickled, "is not what it says: weights/"),
    "a record with an unknown key": (extra_record, "records.jsonl, line"),
    "a time that is none": (no_time, r"forged\.zip is not what it says: records\.jsonl, line 1: .* is no time in UTC"),
    "endless nesting": (deep, "is damaged"),
    "ten million lines": (many_lines, "10000000 records; 50000000 and 20000 are the most"),
    "two entries": (two_rows, "holds 2 entries; a submission is one"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "has no manifest.json"),
    "no outcomes": (lambda folder: (folder / "samples.parquet").write_bytes(b"PAR1PAR1"), "cannot be read"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_submission_is_refused(file: Path, tmp_path: Path, name: str) -> None:
    """Each with a manifest that fits, as a forger would make it."""
    forge, told = FORGED[name]
    unpacked(file, tmp_path / "sound")
    forge(tmp_path / "sound")
    manifest = tmp_path / "sound" / "manifest.json"
    if manifest.is_file():
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"files": file_hashes(manifest.parent)}))
    pack(tmp_path / "sound", tmp_path / "forged.zip")
    with pytest.raises(UserError, match=told):
        unpacked(tmp_path / "forged.zip", tmp_path / "unpacked")


JUNK: tuple[Any, ...] = (None, [], {}, "x", "", -1, 0, 1e308, True, [[]], {"name": "x"}, ["x"])


def changed(value: Any, draw: random.Random) -> Any:
    """The value with junk in place of one of its leaves or branches."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(sorted(value))
        return {**value, key: changed(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.9:
        index = draw.randrange(len(value))
        return [*value[:index], changed(value[index], draw), *value[index + 1 :]]
    return draw.choice(JUNK)


@pytest.mark.parametrize("start", range(0, 120, 30))
def test_junk_anywhere_is_an_error_that_says_so(file: Path, tmp_path: Path, start: int) -> None:
    """Tables and records changed in one place, the records with checksums that fit: no other exception ever."""
    unpacked(file, tmp_path / "sound")
    table = json.loads((tmp_path / "sound" / "table.json").read_text())
    records = [json.loads(line) for line in (tmp_path / "sound" / "records.jsonl").read_text().splitlines()]
    refused = 0
    for seed in range(start, start + 30):
        draw = random.Random(seed)
        folder = tmp_path / str(seed)
        shutil.copytree(tmp_path / "sound", folder)
        if seed % 2:
            (folder / "table.json").write_text(json.dumps(changed(table, draw)))
        else:
            lines = [dict(record) for record in records]
            index = draw.randrange(len(lines))
            lines[index] = changed(lines[index], draw)
            if isinstance(lines[index], dict):
                without = {name: value for name, value in lines[index].items() if name != "content_sha256"}
                lines[index] = {**without, "content_sha256": json_digest(without)}
            (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"files": file_hashes(folder)}))
        try:
            list(check_submission(read_version(folder), None))
        except UserError:
            refused += 1
    assert refused >= 15  # a title or a time may well be another one


def test_a_changed_file_does_not_match_the_manifest(file: Path, tmp_path: Path) -> None:
    unpacked(file, tmp_path / "sound")
    path = tmp_path / "sound" / "table.json"
    path.write_text(path.read_text() + "\n")
    pack(tmp_path / "sound", tmp_path / "changed.zip")
    with pytest.raises(UserError, match=r"is not what it says: table\.json, sha256"):
        unpacked(tmp_path / "changed.zip", tmp_path / "unpacked")


def test_a_rerun_that_is_not_possible_is_no_passed_one(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustbench_snn.registry import encoders
    from robustbench_snn.registry.component import Component

    submitted = unpacked(file, tmp_path / "unpacked")
    component: Component[Any, Any] = encoders.get("ttfs")
    newer = replace(component, declaration=replace(component.declaration, version=99))
    monkeypatch.setitem(encoders._loaded, "ttfs", newer)
    table = replace(
        submitted, content=replace(submitted.content, table=submitted.table.model_copy(update={"rows": ()}))
    )
    *_, last = check_submission(submitted, table, rerun=1)
    assert last.passed is False
    assert "not possible here: this program makes another model" in last.said


def test_nothing_of_another_protocol_is_run(file: Path, tmp_path: Path) -> None:
    submitted = unpacked(file, tmp_path / "unpacked")
    protocol = {**submitted.table.protocol, "seed": 7}
    table = replace(
        submitted, content=replace(submitted.content, table=submitted.table.model_copy(update={"protocol": protocol}))
    )
    checks = list(check_submission(submitted, table, rerun=2))
    assert [check.passed for check in checks] == [True, False]
    assert checks[1].said == "protocol of tiny draft: seed: 7 against 0"


def test_foreign_code_is_named_and_not_run(file: Path, tmp_path: Path) -> None:
    submitted = unpacked(file, tmp_path / "unpacked")
    row = submitted.row("ttfs")
    foreign = row.model_copy(update={"identity": {**row.identity, "encoder": {"name": "x", "source": {"x.py": "0"}}}})
    table = submitted.table.model_copy(update={"rows": (foreign,)})
    submitted = replace(submitted, content=replace(submitted.content, table=table))
    notes = [check.said for check in check_submission(submitted, None) if check.passed is None]
    assert notes == [
        "ttfs: code from outside this program makes it; no source is taken along, and it runs only with --plugin"
    ]

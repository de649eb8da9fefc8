"""Any published cell can be computed again: equal, unless it was not what was published."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from robustbench_snn.cli import app
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.exchange.published import Published, read_version
from robustbench_snn.exchange.reproduction import Reproduced, reproduce
from robustbench_snn.exchange.sources import find_cell
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.content import write_content
from robustbench_snn.leaderboard.recomputation import recomputed
from robustbench_snn.store.checks import content_digest
from robustbench_snn.store.records import Record
from tests.robustbench_snn.exchange.conftest import SUITE, Place


def again(version: Published, record: Record, folder: Path, **settings: Any) -> Reproduced:
    return reproduce(version, record, folder, RunSettings(), **settings)


def cells(version: Published, kind: str, evaluation: str = "") -> list[Record]:
    return [
        record
        for record in version.records.values()
        if record.kind == kind and record.identity.get("evaluation", {}).get("name", "") == evaluation
    ]


def test_published_weights_give_every_outcome_again(weighty: Place, tmp_path: Path) -> None:
    version = read_version(weighty.results / "tiny" / "v1.0")
    for number, record in enumerate(cells(version, "evaluate", "fgsm")):
        found = again(version, record, tmp_path / str(number))
        assert (found.verdict, found.weights, found.samples) == ("equal", "published weights", ())
        assert found.made.key == record.key


def test_without_weights_the_training_is_repeated(published: Place, tmp_path: Path) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    found = again(version, cells(version, "evaluate", "clean")[0], tmp_path)
    assert (found.verdict, found.weights) == ("equal", "a new training, which made the same weights")
    trained = again(version, cells(version, "train")[0], tmp_path)
    assert (trained.verdict, trained.said) == ("equal", "every weight is the same")


def test_weights_that_another_table_holds_are_taken(published: Place, weighty: Place, tmp_path: Path) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    record = next(record for record in cells(version, "evaluate", "clean") if record.seed == 0)
    found = again(version, record, tmp_path / "runs", results=weighty.results)
    assert (found.verdict, found.weights) == ("equal", "published weights")


def test_weights_of_another_table_are_taken_only_if_they_are_those_of_the_record(
    published: Place, weighty: Place, tmp_path: Path
) -> None:
    version = read_version(published.results / "tiny" / "v1.0")
    record = next(record for record in cells(version, "evaluate", "clean") if record.seed == 0)
    shutil.copytree(weighty.results, tmp_path / "results")
    for path in (tmp_path / "results" / "tiny" / "v1.0" / "weights").iterdir():
        path.write_bytes(b"another training's")
    found = again(version, record, tmp_path / "runs", results=tmp_path / "results")
    assert found.weights == "a new training, which made the same weights"


def write_digits(root: Path) -> None:
    """Some of the digits as Parquet files, a dataset with a validation share and a folder of its own."""
    digits = load_dataset("digits", limit=100)
    for split, samples, count in [("train", digits.train, 80), ("test", digits.test, 30)]:
        rows = []
        for image in (255 * samples.images(torch.arange(count))).round().byte().numpy():
            file = io.BytesIO()
            Image.fromarray(image[0]).save(file, format="PNG")
            rows.append({"bytes": file.getvalue(), "path": None})
        labels = samples.labels[:count].tolist()
        pq.write_table(pa.table({"image": rows, "label": labels}), root / f"{split}.parquet")


def test_a_training_without_a_validation_share_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No record says but as a hash how many samples there were, and that none were held out."""
    write_digits(tmp_path)
    monkeypatch.setenv("RBSNN_PARQUET_ROOT", str(tmp_path))
    place = Place(tmp_path / "runs", tmp_path / "results")
    suite = SUITE | {"dataset": {"parquet": {"validation": 0.0}}, "seeds": [0], "evaluations": ["clean"]}
    assert place.run(suite, mode="publish").released.status == "published"
    version = read_version(place.results / "tiny" / "v1.0")
    found = again(version, cells(version, "evaluate", "clean")[0], tmp_path / "again")
    assert (found.verdict, found.weights) == ("equal", "a new training, which made the same weights")


def test_the_dataset_can_be_stated(weighty: Place) -> None:
    version = read_version(weighty.results / "tiny" / "v1.0")
    key = cells(version, "evaluate", "clean")[0].key
    command = ["reproduce", key, "--results", str(weighty.results), "--dataset"]
    done = CliRunner().invoke(app, [*command, "{digits: {limit: 20, train_limit: 64}}"])
    assert (done.exit_code, "equal" in done.output) == (0, True), done.output
    for text, said in [
        ("fashion_mnist", "the suite says fashion_mnist, the table has digits"),
        ("{digits: {limit: 20", "--dataset takes a component"),
    ]:
        done = CliRunner().invoke(app, [*command, text])
        assert isinstance(done.exception, UserError)
        assert said in str(done.exception)


def forge(place: Place, folder: Path, samples: int) -> Published:
    """The published version with some outcomes of one cell turned, and all else made to agree."""
    shutil.copytree(place.results / "tiny" / "v1.0", folder)
    version = read_version(folder)
    row = version.row("direct")
    key = row.cells["clean"].records[0]
    shares = version.content.outcomes.by_seed["direct", "clean"][version.records[key].seed]
    shares[:samples] = 1 - shares[:samples]
    record = version.records[key]
    record = record.model_copy(update={"metrics": {**record.metrics, "accuracy": float(shares.mean())}})
    record = record.model_copy(update={"content_sha256": content_digest(record)})
    lines = {**version.content.records, key: record.model_dump_json()}
    records = {name: Record.model_validate_json(line) for name, line in lines.items()}
    table = recomputed(version.table, version.content.outcomes, records)
    (folder / "manifest.json").unlink()
    content = type(version.content)(table, version.content.outcomes, lines, version.content.weights)
    shutil.move(folder / "weights", folder.parent / "weights")
    moved = {name: folder.parent / "weights" / path.name for name, path in content.weights.items()}
    write_content(type(content)(table, content.outcomes, lines, moved), "v1.0", folder)
    return read_version(folder)


@pytest.mark.parametrize(("samples", "tolerance", "verdict"), [(3, 0.01, "different"), (1, 0.05, "within tolerance")])
def test_forged_outcomes_are_told_sample_by_sample(
    weighty: Place, tmp_path: Path, samples: int, tolerance: float, verdict: str
) -> None:
    version = forge(weighty, tmp_path / "v1.0", samples)
    key = version.row("direct").cells["clean"].records[0]
    found = again(version, version.records[key], tmp_path / "runs", tolerance=tolerance)
    assert found.verdict == verdict
    expected = version.content.outcomes.samples[:samples]
    assert found.samples == tuple(sorted(int(sample) for sample in expected))
    assert f"tolerance {tolerance:.1%}" in found.said


def test_cells_of_several_parts_are_compared_by_their_files(tmp_path: Path) -> None:
    place = Place(tmp_path / "runs", tmp_path / "results")
    noise = {"corruptions": {"types": ["gaussian_noise", "contrast"], "severities": [1], "draws": 1}}
    models = [{"name": "direct", "encoder": "direct"}]
    suite = {key: value for key, value in SUITE.items() if key != "grid"}
    suite |= {"models": models, "evaluations": ["clean", noise], "seeds": [0], "table": {"weights": True}}
    version = read_version(place.run(suite, mode="publish").folder)
    (record, *_) = cells(version, "evaluate", "corruptions")
    found = again(version, record, tmp_path / "again")
    assert (found.verdict, found.said.partition(";")[0]) == ("equal", "every sample has the same outcome")
    other = record.model_copy(update={"files": {"samples.parquet": "0" * 64}, "metrics": {**record.metrics}})
    told = again(version, other, tmp_path / "again")
    assert (told.verdict, told.samples) == ("within tolerance", None)
    assert "means over" in told.said


def test_a_cell_is_found_by_the_beginning_of_its_key(weighty: Place, published: Place) -> None:
    key = next(iter(read_version(weighty.results / "tiny" / "v1.0").records))
    assert find_cell(key[:16], None, weighty.results)[1].key == key
    assert find_cell(key[:16], "tiny", weighty.results)[1].key == key
    with pytest.raises(UserError, match="no records of tiny v1"):
        find_cell("xyz", "tiny", weighty.results)
    with pytest.raises(UserError, match=r"records of tiny v1.* begin with ''"):
        find_cell("", "tiny", weighty.results)


def test_another_program_is_refused(weighty: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from robustbench_snn.registry import encoders
    from robustbench_snn.registry.component import Component

    version = read_version(weighty.results / "tiny" / "v1.0")
    component: Component[Any, Any] = encoders.get("direct")
    newer = replace(component.declaration, version=99)
    monkeypatch.setitem(encoders._loaded, "direct", replace(component, declaration=newer))
    key = version.row("direct").cells["clean"].records[0]
    with pytest.raises(UserError, match="makes another model than the record of 'direct' says: model/encoder/version"):
        again(version, version.records[key], tmp_path)

"""A version holds the weights that its numbers come from, or says where they are."""

from __future__ import annotations

import shutil
from pathlib import Path

from robustbench_snn.digests import file_digest, tensor_digest
from robustbench_snn.exchange.published import read_version
from robustbench_snn.leaderboard.content import write_data
from robustbench_snn.leaderboard.verification import verify
from robustbench_snn.weights.tensors import read_tensors
from tests.robustbench_snn.exchange.conftest import SUITE, Place


def test_published_weights_are_those_of_the_trainings(weighty: Place) -> None:
    version = read_version(weighty.results / "tiny" / "v1.0")
    assert version.table.weights == "weights/"
    assert set(version.content.weights) == {key for row in version.table.rows for key in row.training}
    for key, path in version.content.weights.items():
        assert tensor_digest(read_tensors(path)[0]) == version.records[key].weights_sha256
        assert file_digest(path) == version.records[key].files["weights.safetensors"]
    assert [found.findings for found in verify(weighty.results)] == [()]


def test_the_next_version_has_the_weights_and_does_not_write_them_again(weighty: Place, tmp_path: Path) -> None:
    folder = followed(weighty, tmp_path)
    assert not (folder / "weights").exists()  # ttfs has none
    before = read_version(folder.parent / "v1.0").content.weights
    assert len(before) == 2
    assert read_version(folder).content.weights == before
    assert [found.findings for found in verify(folder.parents[1])] == [(), ()]


def test_weights_are_taken_from_an_earlier_version_only_if_they_are_those_of_the_record(
    weighty: Place, tmp_path: Path
) -> None:
    folder = followed(weighty, tmp_path)
    first, second = sorted((folder.parent / "v1.0" / "weights").iterdir())
    shutil.copyfile(second, first)
    assert set(read_version(folder).content.weights) == {second.stem}


def test_a_version_writes_weights_that_differ_from_those_before(weighty: Place, tmp_path: Path) -> None:
    """Another machine trained anew, with other roundings: the key is the same, the weights are not."""
    content = read_version(weighty.results / "tiny" / "v1.0").content
    first, second = sorted(content.weights)
    write_data(content, tmp_path, {**content.weights, first: content.weights[second]})
    assert [path.stem for path in (tmp_path / "weights").iterdir()] == [first]


def followed(weighty: Place, tmp_path: Path) -> Path:
    """A version that adds a row without weights to the one with weights."""
    shutil.copytree(weighty.results, tmp_path / "results")
    more = SUITE | {"grid": {"encoders": ["ttfs"]}, "seeds": [0], "table": {}}
    folder = Place(tmp_path / "runs", tmp_path / "results").run(more, mode="publish").folder
    assert folder.name == "v1.1"
    return folder


def test_replaced_weights_are_a_finding(weighty: Place, tmp_path: Path) -> None:
    shutil.copytree(weighty.results, tmp_path / "results")
    first, second = sorted((tmp_path / "results" / "tiny" / "v1.0" / "weights").iterdir())
    shutil.copyfile(second, first)
    (found,) = verify(tmp_path / "results")
    assert any(str(finding).startswith(f"weights/{first.name}, sha256") for finding in found.findings)


def test_a_table_says_where_its_weights_are_and_nothing_is_fetched(weighty: Place, tmp_path: Path) -> None:
    suite = SUITE | {"seeds": [0], "table": {"baseline": "direct", "weights": "https://example.org/weights"}}
    finished = Place(weighty.store, tmp_path / "results").run(suite, mode="publish")
    assert finished.released.table.weights == "https://example.org/weights"
    assert not (finished.folder / "weights").exists()

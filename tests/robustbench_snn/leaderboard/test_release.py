"""Versions, drafts, and tables that stand; tampered cells are computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from robustbench_snn.leaderboard import release as releasing
from robustbench_snn.leaderboard.versions import versions
from tests.robustbench_snn.leaderboard.conftest import SUITE, Place


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is that of a commit, whatever this checkout is."""
    monkeypatch.setattr(releasing, "doubts", lambda records: [])


def test_a_rerun_with_nothing_new_publishes_nothing(place: Place) -> None:
    before = snapshot(place.results)
    finished = place.run()
    assert (finished.released.status, finished.released.label) == ("stands", "v1.0")
    assert finished.folder == place.results / "tiny" / "v1.0"
    assert place.run(mode="publish").released.status == "stands"
    assert snapshot(place.results) == before
    assert not (place.store / "drafts").exists()


@pytest.mark.usefixtures("clean")
def test_a_new_entry_is_a_new_version_that_follows_the_one_before(place: Place) -> None:
    more = SUITE | {"grid": {"encoders": ["direct", "rate"]}}
    finished = place.run(more)
    assert (finished.released.status, finished.released.label) == ("published", "v1.1")
    assert {row.model for row in finished.released.table.rows} == {"direct", "rate", "sigma_delta"}
    manifest = json.loads((finished.folder / "manifest.json").read_text())
    assert manifest["previous"]["version"] == "v1.0"
    assert manifest["previous"]["file"] == "manifest.json"
    assert set(manifest["files"]) == {path.name for path in finished.folder.iterdir()} - {"manifest.json"}


@pytest.mark.usefixtures("clean")
def test_fewer_samples_make_a_draft_unless_published(place: Place) -> None:
    before = snapshot(place.results)
    fewer = SUITE | {"dataset": {"name": "digits", "limit": 10, "train_limit": 64}}
    finished = place.run(fewer, doubts=["only 10 samples (--limit)"])
    assert finished.released.status == "draft"
    assert finished.released.reasons == ("only 10 samples (--limit)",)
    assert finished.folder == place.store / "drafts" / "tiny"
    pages = {"leaderboard.md", "leaderboard.html", "plot-1.svg", "plot-2.svg"}
    names = {"table.json", "records.jsonl", "samples.parquet", *pages}
    assert {path.name for path in finished.folder.iterdir()} == names
    assert " draft" in (finished.folder / "leaderboard.md").read_text()
    assert snapshot(place.results) == before
    assert place.run(fewer, doubts=["only 10 samples (--limit)"], mode="publish").released.label == "v2.0"


def test_a_draft_can_be_asked_for(place: Place) -> None:
    before = snapshot(place.results)
    assert place.run(mode="draft").released.status == "draft"
    assert snapshot(place.results) == before


@pytest.mark.parametrize("mode", ["auto", "publish"])
def test_a_failed_cell_is_never_published(place: Place, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    from robustbench_snn.suites.fgsm import FGSMEvaluation

    monkeypatch.setattr(FGSMEvaluation, "run", lambda *_: 1 / 0)
    more = SUITE | {"grid": {"encoders": ["direct", "rate"]}}
    finished = place.run(more, mode=mode)
    assert finished.released.status == "draft"
    assert "2 cells failed" in finished.released.reasons
    assert len(versions(place.results, "tiny")) == 1


@pytest.mark.parametrize("state", ["dirty", "unknown"])
def test_a_program_that_nobody_can_get_makes_a_draft(place: Place, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(releasing, "program_state", lambda: state)
    finished = place.run(SUITE | {"description": "other words"})
    assert finished.released.status == "draft"
    assert f"the program's working tree is {state}" in finished.released.reasons


def test_doubts_are_about_the_program_its_records_and_quick_attacks(
    published: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from robustbench_snn.store.records import Record

    lines = (published.results / "tiny" / "v1.0" / "records.jsonl").read_text().splitlines()
    record = Record.model_validate_json(lines[0])
    monkeypatch.setattr(releasing, "program_state", lambda: "clean")
    known = record.provenance.model_copy(update={"git_commit": "c", "git_dirty": False})
    sound = record.model_copy(update={"provenance": known})
    dirty = record.model_copy(update={"provenance": known.model_copy(update={"git_dirty": True})})
    wheel = {"git_commit": None, "git_dirty": None}
    installed = record.model_copy(
        update={"provenance": known.model_copy(update=wheel | {"packages": {"robustbench_snn": "1"}})}
    )
    unknown = record.model_copy(update={"provenance": known.model_copy(update=wheel | {"packages": {}})})
    quick = sound.model_copy(update={"flags": ("not_for_publication",)})
    assert releasing.doubts([sound, installed]) == []
    assert releasing.doubts([sound, dirty]) == ["1 of 2 records were made by a program with uncommitted changes"]
    assert releasing.doubts([unknown]) == ["1 of 1 records were made by a program of unknown version"]
    assert releasing.doubts([quick]) == ["1 records are of attack sets that are not for publication"]


def test_tampered_cells_are_set_aside_and_the_numbers_are_right_again(place: Place) -> None:
    records = sorted(place.store.glob("cells/*/record.json"))
    weights = sorted(place.store.glob("cells/*/weights.safetensors"))
    weights[0].write_bytes(weights[1].read_bytes())
    edited = next(path for path in records if '"evaluate"' in path.read_text())
    data = json.loads(edited.read_text())
    edited.write_text(json.dumps(data | {"metrics": data["metrics"] | {"accuracy": 0.999}}))
    finished = place.run()
    assert {name.partition(".")[0] for name, _ in finished.set_aside} == {weights[0].parent.name, edited.parent.name}
    assert finished.released.status == "stands"  # the same numbers as published
    assert place.run().set_aside == ()

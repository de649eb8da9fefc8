"""Published versions: numbered by protocol, immutable, entries carried over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from robustbench_snn.errors import StoreError
from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.comparison import compare
from robustbench_snn.leaderboard.outcomes import Outcomes, read_outcomes
from robustbench_snn.leaderboard.statistics import adjust
from robustbench_snn.leaderboard.versions import Version, load_record, load_table, tables, versions
from robustbench_snn.leaderboard.withdrawal import withdraw
from tests.tables import EVALUATIONS, N, outcomes, publish, published, row, score, table


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_versions_count_up_and_published_ones_never_change(tmp_path: Path) -> None:
    first = publish(table(), outcomes(), tmp_path)
    before = snapshot(first)
    assert publish(table(), outcomes(), tmp_path).name == "v1.1"
    assert publish(table(protocol="q"), outcomes(), tmp_path).name == "v2.0"
    assert publish(table(protocol="q"), outcomes(), tmp_path).name == "v2.1"
    assert first.name == "v1.0"
    assert snapshot(first) == before
    assert [str(version) for version in versions(tmp_path, "tab")] == ["v1.0", "v1.1", "v2.0", "v2.1"]


def test_entries_that_were_not_measured_again_carry_over(tmp_path: Path) -> None:
    first = outcomes(direct=0.5, stf=0.7)
    publish(table(row("direct"), row("stf")), first, tmp_path)
    again = outcomes(stf=0.9, new=0.5)
    folder = publish(table(row("stf"), row("new")), again, tmp_path)
    found = {entry.model: entry.cells["clean"].accuracy for entry in published(tmp_path).rows}
    assert found == {
        "stf": again.of(("stf", "clean")).mean(),
        "new": again.of(("new", "clean")).mean(),
        "direct": first.of(("direct", "clean")).mean(),
    }
    held = read_outcomes(folder / "samples.parquet")
    assert {place: set(of_seeds) for place, of_seeds in held.by_seed.items()} == {
        (model, "clean"): {0, 1, 2} for model in ("stf", "new", "direct")
    }
    assert np.array_equal(held.of(("direct", "clean")), first.of(("direct", "clean")))
    assert assess(published(tmp_path), held) == published(tmp_path)  # all of it follows from what is in the version


def test_a_new_entry_changes_all_corrections_and_ranks(tmp_path: Path) -> None:
    first = outcomes(direct=0.4, stf=0.52)
    publish(table(row("direct"), row("stf"), baseline="direct"), first, tmp_path)
    alone = published(tmp_path).rows[1].cells["clean"].against
    assert alone is not None
    assert alone.adjusted_p_value == alone.p_value
    # its suite has neither the baseline nor any other model of the table
    publish(table(row("new"), row("twin")), outcomes(new=0.95, twin=0.41), tmp_path)
    after = published(tmp_path)
    rows = {entry.model: entry.cells["clean"] for entry in after.rows}
    against = {model: cell.against for model, cell in rows.items() if cell.against}
    assert after.baseline == "direct"
    assert set(against) == {"new", "twin", "stf"}
    assert {found.baseline for found in against.values()} == {"direct"}
    corrected = adjust([found.p_value for found in against.values()], "holm")
    assert [found.adjusted_p_value for found in against.values()] == corrected
    assert against["stf"].p_value == alone.p_value < against["stf"].adjusted_p_value
    assert against["new"].comparison() == compare(
        outcomes(new=0.95).of(("new", "clean")), first.of(("direct", "clean"))
    )
    assert rows["new"].rank == 1
    assert rows["direct"].rank == rows["twin"].rank == max(cell.rank or 0 for cell in rows.values())


def test_another_baseline_of_the_new_suite_holds_for_the_whole_table(tmp_path: Path) -> None:
    publish(table(row("direct"), row("stf"), baseline="direct"), outcomes(direct=0.4, stf=0.6), tmp_path)
    publish(table(row("new"), baseline="new"), outcomes(new=0.5), tmp_path)
    against = {entry.model: entry.cells["clean"].against for entry in published(tmp_path).rows}
    assert {model: found.baseline for model, found in against.items() if found} == {"direct": "new", "stf": "new"}


def test_samples_are_aligned_by_their_ids(tmp_path: Path) -> None:
    first = outcomes(direct=0.5)
    order = np.random.default_rng(0).permutation(N)
    shuffled = Outcomes(
        first.samples[order],
        {place: {seed: shares[order] for seed, shares in found.items()} for place, found in first.by_seed.items()},
    )
    publish(table(), first, tmp_path)
    twin = Outcomes(shuffled.samples, {("twin", "clean"): shuffled.by_seed["direct", "clean"]})
    publish(table(row("twin"), baseline="twin"), twin, tmp_path)
    against = {entry.model: entry.cells["clean"].against for entry in published(tmp_path).rows}["direct"]
    assert against is not None
    found = compare(first.of(("direct", "clean")), first.of(("direct", "clean")))
    assert against.standard_error == pytest.approx(found.standard_error)
    foreign = Outcomes(twin.samples + 1, twin.by_seed)
    with pytest.raises(StoreError, match="not of this table's samples"):
        publish(table(row("twin")), foreign, tmp_path)


def test_numbers_follow_their_evaluation_and_never_a_label(tmp_path: Path) -> None:
    both = {"clean": score(), "fgsm": score()}
    names = ("clean", "fgsm")
    first = outcomes(names, direct=0.5)
    publish(table(row("direct", **both), columns=names), first, tmp_path)
    swapped = [{**EVALUATIONS[0], "label": "fgsm"}, {**EVALUATIONS[1], "label": "clean"}]
    # as if the labels were not part of the hash: the same version, but columns of exchanged names
    protocol = {"x": "p", "evaluations": swapped}
    new = table(row("stf", **both), columns=("fgsm", "clean"), protocol="p").model_copy(update={"protocol": protocol})
    publish(new, outcomes(names, stf=0.5), tmp_path)
    cells = {entry.model: entry.cells for entry in published(tmp_path).rows}["direct"]
    assert cells["fgsm"].accuracy == first.of(("direct", "clean")).mean()
    assert cells["clean"].accuracy == first.of(("direct", "fgsm")).mean() != cells["fgsm"].accuracy


def test_entries_of_another_protocol_do_not_carry_over(tmp_path: Path) -> None:
    publish(table(row("old")), outcomes(old=0.5), tmp_path)
    publish(table(row("new"), protocol="q"), outcomes(new=0.5), tmp_path)
    assert [entry.model for entry in load_table(tmp_path, "tab").rows] == ["new"]


def test_a_withdrawn_version_carries_nothing_over(tmp_path: Path) -> None:
    first = publish(table(row("direct"), row("stf")), outcomes(direct=0.5, stf=0.7), tmp_path)
    before = snapshot(first)
    withdraw(tmp_path, "tab", Version(1, 0), "made from a dirty tree", "v2.0")
    assert publish(table(row("new")), outcomes(new=0.5), tmp_path).name == "v2.0"
    assert [entry.model for entry in published(tmp_path).rows] == ["new"]
    assert snapshot(first) == before
    index = (tmp_path / "README.md").read_text()
    assert "- tab v1.0: made from a dirty tree; read v2.0 instead" in index


def test_the_index_links_every_version(tmp_path: Path) -> None:
    publish(table(), outcomes(), tmp_path)
    publish(table(), outcomes(), tmp_path)
    index = (tmp_path / "README.md").read_text()
    assert "tab/v1.0/leaderboard.md" in index
    assert "tab/v1.1/leaderboard.md" in index
    assert tables(tmp_path) == ["tab"]


def test_every_number_can_be_followed_to_its_record(tmp_path: Path) -> None:
    publish(table(row("direct", clean=score(records=("a" * 64,)))), outcomes(), tmp_path)
    publish(table(row("stf", clean=score(records=("b" * 64,)))), outcomes(stf=0.5), tmp_path)
    for key in "ab":
        assert load_record(tmp_path, "tab", Version(1, 1), key * 12).metrics["accuracy"] == 0.5
    with pytest.raises(StoreError, match="no records"):
        load_record(tmp_path, "tab", Version(1, 1), "c")


def test_missing_and_damaged_tables_are_clear(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no published table 'tab'"):
        load_table(tmp_path, "tab")
    folder = publish(table(), outcomes(), tmp_path)
    for damage in ("{}", "[]", "{", '{"schema_version": 1}', '{"schema_version": 3}'):
        (folder / "table.json").write_text(damage)
        with pytest.raises(StoreError, match="is damaged"):
            load_table(tmp_path, "tab")


def test_a_publication_that_fails_leaves_no_version(tmp_path: Path) -> None:
    (tmp_path / "tab").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="every record is kept"):
        publish(table(), outcomes(), tmp_path)
    assert versions(tmp_path, "tab") == []

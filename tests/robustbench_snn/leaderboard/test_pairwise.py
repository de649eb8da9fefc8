"""Two models of any places against each other: what compares, what does not, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.calibration import Population
from robustbench_snn.leaderboard.comparison import compare
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.pairwise.comparing import Pairwise, compare_evidence
from robustbench_snn.leaderboard.pairwise.evidence import Evidence, Measured
from robustbench_snn.leaderboard.pairwise.loading import load_evidence
from robustbench_snn.leaderboard.pairwise.showing import to_data, to_markdown, to_terminal
from robustbench_snn.leaderboard.statistics import adjust
from robustbench_snn.leaderboard.variance import Floats
from tests.robustbench_snn.leaderboard.conftest import SUITE, Place

SETTING = {"dataset": {"name": "digits", "fingerprint": "f"}, "samples": "s", "seed": 0}


def found(place: Place, candidate: str, baseline: str, **options: Any) -> Pairwise:
    ours, theirs = (
        load_evidence(one, results=place.results, store=place.store, place=candidate.rpartition(":")[0])
        for one in (candidate, baseline)
    )
    return compare_evidence(ours, theirs, **options)


def evidence(model: str, outcomes: Mapping[str, Floats], **changes: Any) -> Evidence:
    measured = tuple(
        Measured(
            label=label,
            name=label,
            parts=({"name": label, "version": 1, "parameters": changes.get("parameters", {})},),
            setting=changes.get("setting", SETTING),
            samples=np.arange(shares.shape[1]),
            by_seed=dict(enumerate(shares)),
            flags=changes.get("flags", ()),
            comparable=changes.get("comparable", True),
        )
        for label, shares in outcomes.items()
    )
    return Evidence(changes.get("place", "here"), model, measured)


def pair(gain: float, seeds: int = 3, **changes: Any) -> tuple[Evidence, Evidence]:
    a, b = Population("binary", seed=0.1).draw(np.random.default_rng(1), 1, (seeds, seeds), 400, gain=gain)
    return evidence("ours", {"clean": a[0], "pgd": a[0]}, **changes), evidence("theirs", {"clean": b[0], "pgd": b[0]})


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_a_model_seldom_differs_from_itself_over_other_seeds(seeds: int) -> None:
    """100 simulated comparisons, each of three evaluations; a false difference in any of the three is one."""
    generator = np.random.default_rng(3)
    population = Population("binary", seed=0.3)
    false = 0
    for _ in range(100):
        drawn = {label: population.draw(generator, 1, (seeds, seeds), 200) for label in ("clean", "pgd", "fog")}
        ours = evidence("a", {label: a[0] for label, (a, _) in drawn.items()})
        theirs = evidence("b", {label: b[0] for label, (_, b) in drawn.items()})
        rows = compare_evidence(ours, theirs).rows
        said = [row for row in rows if "No difference found" not in row.verdict]
        assert said == [row for row in rows if row.adjusted_p_value < 0.05]
        false += bool(said)
    assert false <= 9  # more than 9 of 100 at 5 % has probability 0.028


def test_a_true_difference_is_found_and_said_of_methods() -> None:
    rows = compare_evidence(*pair(gain=2.0)).rows
    assert [row.adjusted_p_value < 0.05 for row in rows] == [True, True]
    assert rows[0].verdict.startswith("ours is more accurate than theirs: +")
    assert rows[1].verdict.startswith("ours is more robust than theirs: +")
    assert "over new trainings" in rows[1].verdict


def test_one_seed_says_nothing_of_methods() -> None:
    row = compare_evidence(*pair(gain=2.0, seeds=1)).rows[1]
    assert row.verdict.startswith("These trained networks of ours are more robust than those of theirs")
    assert "says nothing of the difference between the methods" in row.verdict


def test_the_numbers_are_those_of_the_published_outcomes(published: Place) -> None:
    shown = found(published, "tiny:sigma_delta", "direct")
    outcomes = read_outcomes(published.results / "tiny" / "v1.0" / "samples.parquet")
    expected = [
        compare(outcomes.of(("sigma_delta", label)), outcomes.of(("direct", label))) for label in ("clean", "fgsm")
    ]
    assert [row.comparison for row in shown.rows] == expected
    assert [row.adjusted_p_value for row in shown.rows] == adjust([one.p_value for one in expected], "holm")
    assert shown.places == ("tiny/v1.0", "tiny/v1.0")


def test_a_version_its_folder_its_store_and_its_suite_say_the_same(published: Place, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(SUITE))
    places = ("tiny", "tiny/v1.0", "tiny/1.0", str(published.results / "tiny/v1.0"), str(published.store))
    rows = [found(published, f"{place}:sigma_delta", "direct").rows for place in (*places, f"{tmp_path}/tiny.yaml")]
    numbers = [sorted((row.label, row.comparison.difference, row.comparison.p_value) for row in one) for one in rows]
    assert numbers == [numbers[0]] * len(numbers)
    across = found(published, f"{published.store}:sigma_delta", "tiny:direct").rows
    assert [(row.label, row.comparison) for row in across] == [(row.label, row.comparison) for row in rows[0]]


def test_parts_in_a_store_are_joined_as_the_table_joins_them(published: Place, tmp_path: Path) -> None:
    place = Place(tmp_path / "runs", tmp_path / "results")
    types = ["brightness", "contrast"]
    corrupted = {"corruptions": {"types": types, "severities": [5]}}
    place.run(SUITE | {"name": "parts", "evaluations": [corrupted], "seeds": [0]}, mode="publish")
    table = found(place, "parts:sigma_delta", "direct").rows
    mixed = found(place, f"{place.store}:sigma_delta", "parts:direct").rows
    assert [(row.label, row.comparison) for row in mixed] == [(row.label, row.comparison) for row in table]
    apart = found(place, f"{place.store}:sigma_delta", "direct").rows
    assert len(apart) == len(types)
    assert all(any(name in row.label for row in apart) for name in types)
    mean = np.mean([row.comparison.difference for row in apart])
    assert mean == pytest.approx(table[0].comparison.difference)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setting": SETTING | {"samples": "other"}}, "samples is s here and other there"),
        ({"setting": SETTING | {"seed": 1}}, "seed is 0 here and 1 there"),
        ({"parameters": {"eps": 0.1}}, "parameters/eps is None here and 0.1 there"),
    ],
)
def test_another_protocol_is_refused_by_its_first_difference(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        compare_evidence(*pair(gain=0.0, **changes))


def test_what_only_one_has_is_left_out_and_named() -> None:
    ours, theirs = pair(gain=0.0)
    less = Evidence("there", "theirs", theirs.measured[:1], gaps={"pgd": "1 of 3 seeds"})
    shown = compare_evidence(ours, less)
    assert [row.label for row in shown.rows] == ["clean"]
    assert shown.left_out == ("pgd: only ours (here) has it", "pgd: theirs (there) is not complete (1 of 3 seeds)")
    assert [row.label for row in compare_evidence(ours, theirs, only=["pgd"]).rows] == ["pgd"]
    with pytest.raises(UserError, match="has no evaluation fog; it has: clean, pgd"):
        compare_evidence(ours, theirs, only=["fog"])


def test_a_network_does_not_compare_with_itself(published: Place) -> None:
    with pytest.raises(UserError, match="share 2 trained networks"):
        found(published, "tiny:direct", f"{published.store}:direct")


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ("tiny:sigma_delt", "Did you mean 'sigma_delta'"),
        ("tiny/v9.0:direct", "no version v9.0"),
        ("nowhere:direct", "no published table 'nowhere'.*PLACE:MODEL"),
        ("direct", "does not say where the model is"),
    ],
)
def test_what_is_not_there_is_told(published: Place, candidate: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_evidence(candidate, results=published.results, store=published.store)


def test_a_store_with_two_models_of_one_name_is_refused(place: Place) -> None:
    place.run(SUITE | {"recipe": {"epochs": 2, "batch_size": 32}}, mode="draft")
    with pytest.raises(UserError, match=r"several models 'direct' .*recipe/epochs"):
        load_evidence(f"{place.store}:direct", results=place.results, store=place.store)


def test_pages_say_scope_flags_and_what_was_left_out() -> None:
    ours, theirs = pair(gain=2.0, flags=("zero_gradient",), comparable=False)
    less = Evidence("there", "ours", theirs.measured[:1])
    shown = compare_evidence(ours, less)
    console = Console(width=250, file=StringIO(), record=True)
    console.print(to_terminal(shown))
    for page in (to_markdown(shown), console.export_text()):
        assert "ours (here)" in page
        assert "ours (there)" in page  # one name, two places
        assert "over training seeds" in page
        assert "zero_gradient" in page
        assert "These numbers are flagged" in page
        assert "†" in page
        assert "Not compared" in page
    data = json.loads(json.dumps(to_data(shown)))
    assert data["rows"][0]["comparison"]["difference"] == shown.rows[0].comparison.difference
    assert data["rows"][0]["flags"] == [["zero_gradient"], []]

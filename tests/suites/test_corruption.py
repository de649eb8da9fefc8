"""The evaluation under common corruptions: cells, scores, sources and crossings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn.corruption.contract import EXTRA, STANDARD
from robustbench_snn.corruption.generate import corrupt
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.model.target import Target
from robustbench_snn.registry import evaluations
from robustbench_snn.testing.models import make_task, sample_images

torch.set_num_threads(1)
TASK = make_task(channels=3, height=32, width=32)
TYPES = ["gaussian_noise", "contrast", "pixelate"]


class Brightest(nn.Module):
    """Says which of the image's quadrants is the brightest, by an exact computation."""

    def forward(self, images: Tensor) -> Tensor:
        gray = images.mean(1)
        quadrants = [gray[:, :16, :16], gray[:, :16, 16:], gray[:, 16:, :16], gray[:, 16:, 16:]]
        return torch.stack([quadrant.double().mean((1, 2)) for quadrant in quadrants], 1).float()


def subject(count: int = 13, batch_size: int = 4) -> Subject:
    images = sample_images(TASK, count, seed=5)
    labels = Brightest()(images).argmax(1)
    labels[::4] = 0
    return Subject(Target(Brightest()), ArraySamples(images, labels, torch.arange(count)), 3, batch_size)


def evaluate(of: Subject, **parameters: Any) -> Outcome:
    with of.target.frozen():
        result: Outcome = evaluations.create("corruptions", **parameters).run(of)
        return result


def cells(**parameters: Any) -> list[Outcome]:
    found = evaluations.get("corruptions")
    return [evaluate(subject(), **part) for part in found.implementation.split(found.validate(parameters))]


def combined(**parameters: Any) -> Mapping[str, float]:
    parts = [SimpleNamespace(metrics=o.metrics, details=o.details) for o in cells(**parameters)]
    result: Mapping[str, float] = evaluations.get("corruptions").implementation.combine(parts)  # type: ignore[arg-type]
    return result


def test_shares_are_those_of_a_loop_by_hand() -> None:
    of = subject()
    outcome = evaluate(of, types=TYPES, severities=[1, 5])
    images, labels = of.samples.images(torch.arange(13)), of.samples.labels
    hits = {
        (name, severity): correct(of.target(corrupt(images, name, severity, 3)), labels).double().numpy()
        for name in TYPES
        for severity in (1, 5)
    }
    np.testing.assert_allclose(outcome.columns["correct"], np.mean(list(hits.values()), axis=0), atol=1e-6)
    by_five = np.mean([hits[name, 5] for name in TYPES], axis=0)
    np.testing.assert_allclose(outcome.columns["correct_s5"], by_five, atol=1e-6)
    for name in TYPES:
        for severity in (1, 5):
            assert outcome.details["accuracy"][name][str(severity)] == pytest.approx(hits[name, severity].mean())
    assert outcome.metrics["accuracy"] == pytest.approx(np.mean(list(hits.values())))
    assert outcome.metrics["clean_accuracy"] == pytest.approx(correct(of.target(images), labels).double().mean())
    assert 0 < outcome.metrics["accuracy"] < outcome.metrics["clean_accuracy"] <= 1


def test_split_gives_a_cell_a_type_and_measures_clean_once() -> None:
    found = evaluations.get("corruptions")
    parts = found.implementation.split(found.validate({}))
    assert [part["types"] for part in parts] == [[name] for name in STANDARD]
    assert [part["clean"] for part in parts] == [True] + [False] * 14
    assert len(found.implementation.split(found.validate({"types": "all"}))) == len(STANDARD) + len(EXTRA) == 19


def test_cells_combine_to_the_scores_of_one_run() -> None:
    together = evaluate(subject(), types=TYPES, severities=[2, 4]).metrics
    joined = combined(types=TYPES, severities=[2, 4])
    assert joined == pytest.approx(together)
    shares = [cell.columns["correct"] for cell in cells(types=TYPES, severities=[2, 4])]
    assert np.mean(shares) == pytest.approx(joined["accuracy"])  # the table's mean over cells
    assert joined["rpc"] == pytest.approx(joined["accuracy"] / joined["clean_accuracy"])
    assert joined["mce_unnormalised"] == pytest.approx(1 - joined["accuracy"])
    assert joined["worst_type_accuracy"] == min(joined[f"accuracy_{name}"] for name in TYPES)
    assert joined["worst_type_error"] == 1 - joined["worst_type_accuracy"]
    assert evaluations.get("corruptions").implementation.table_metrics["worst_type_error"] == "worst type's error %"
    assert "mce" not in joined


def test_mce_against_a_named_reference() -> None:
    reference = {"name": "half", "clean": 0.9, "accuracy": {name: {2: 0.5, 4: 0.4} for name in TYPES}}
    joined = combined(types=TYPES, severities=[2, 4], reference=reference)
    errors = [2 - 2 * joined[f"accuracy_{name}"] for name in TYPES]
    assert joined["mce"] == pytest.approx(np.mean(errors) / 1.1)
    clean_error = 1 - joined["clean_accuracy"]
    assert joined["relative_mce"] == pytest.approx((np.mean(errors) - 2 * clean_error) / 0.9)
    with pytest.raises(UserError, match=r"no accuracy for contrast at severities \[3\]"):
        evaluations.create("corruptions", types=["contrast"], severities=[2, 3], reference=reference)


def test_numbers_do_not_depend_on_the_batch() -> None:
    small, large = (evaluate(subject(batch_size=size), types=TYPES, severities=[3]) for size in (3, 16))
    assert small.metrics == large.metrics
    np.testing.assert_array_equal(small.columns["correct"], large.columns["correct"])


def test_progress_counts_every_pass() -> None:
    seen = []
    of = subject()
    of = Subject(of.target, of.samples, 0, 8, progress=lambda done, total: seen.append((done, total)))
    evaluate(of, types=TYPES[:2], severities=[1, 2])
    assert seen[-1] == (13 * 5, 13 * 5)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_attack_upon_corrupted_images_lowers_accuracy() -> None:
    plain = evaluate(subject(), types=["contrast"], severities=[1])
    under = evaluate(subject(), types=["contrast"], severities=[1], under={"attack": "fgsm", "eps": 0.02})
    assert under.metrics["accuracy"] < plain.metrics["accuracy"]
    assert under.metrics["clean_accuracy"] == plain.metrics["clean_accuracy"]
    assert under.details["under"] == "fgsm_0.02"


def test_published_set_is_read_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 10_000
    array = np.lib.format.open_memmap(tmp_path / "contrast.npy", "w+", np.uint8, (5 * count, 32, 32, 3))
    rng = np.random.default_rng(0)
    rows = [7, 3, 9999, 12]
    array[[2 * count + row for row in rows]] = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    array.flush()
    labels = np.zeros(count, dtype=np.int64)
    labels[rows] = [1, 2, 3, 0]
    np.save(tmp_path / "labels.npy", np.tile(labels, 5))
    images = torch.from_numpy(array[[2 * count + row for row in rows]]).permute(0, 3, 1, 2).float() / 255
    wanted = correct(Brightest()(images), torch.tensor([1, 2, 3, 0])).numpy()
    samples = ArraySamples(torch.zeros(4, 3, 32, 32), torch.tensor([1, 2, 3, 0]), torch.tensor(rows))
    of = Subject(Target(Brightest()), samples, batch_size=3)
    parameters = {"types": ["contrast"], "severities": [3], "source": "published", "root": str(tmp_path)}
    outcome = evaluate(of, **parameters)
    np.testing.assert_array_equal(outcome.columns["correct_s3"], wanted)
    assert outcome.details["source"] == "published: cifar10-c"
    attacked = evaluate(of, **parameters, under={"attack": "fgsm", "eps": 0.01})
    assert attacked.metrics["accuracy"] <= outcome.metrics["accuracy"]
    wrong = ArraySamples(torch.zeros(4, 3, 32, 32), torch.tensor([1, 2, 3, 3]), torch.tensor(rows))
    with pytest.raises(UserError, match="1 of 4 labels"):
        evaluate(Subject(of.target, wrong), **parameters)
    beyond = ArraySamples(torch.zeros(1, 3, 32, 32), torch.tensor([1]), torch.tensor([count]))
    with pytest.raises(UserError, match="10000 images a severity"):
        evaluate(Subject(of.target, beyond), **parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"types": ["fogg"]}, "Did you mean 'fog'"),
        ({"severities": [6]}, "less than or equal to 5"),
        ({"severities": []}, "at least 1 item"),
        ({"source": "published"}, "needs its folder"),
        ({"root": "/nowhere"}, "only a published set has one"),
        ({"source": "published", "root": "/nowhere"}, "is not at /nowhere"),
        ({"under": {"corruption": "fog", "severity": 1}}, "listed in 'types'"),
    ],
)
def test_bad_parameters_get_a_message(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        evaluations.create("corruptions", **parameters)

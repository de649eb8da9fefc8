"""Faults of hardware on whole models, and through a suite."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_snn import evaluate
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Outcome, Subject
from robustbench_snn.evaluation.correctness import correct
from robustbench_snn.execution import RunSettings
from robustbench_snn.fault.kinds import MISMATCHES, NEURONS, OUTPUTS, RATELESS, SYNAPSES, FaultName
from robustbench_snn.fault.weights import quantised
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.model.target import Target
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.plotting.faults import draw_faults, fault_points, plot_faults
from robustbench_snn.registry import evaluations
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.testing.subject import samples_for, small_target, untouched
from tests.tiny_suite import TINY

ALL: tuple[FaultName, ...] = (*NEURONS, *SYNAPSES)


def subject(encoder: str = "direct", batch_size: int = 8, count: int = 24, seed: int = 0) -> Subject:
    target = small_target(encoder=encoder)
    return Subject(target, samples_for(target, count, wrong=6), seed=seed, batch_size=batch_size)


def run(of: Subject, **parameters: Any) -> Outcome:
    with of.target.frozen(), untouched(of.target):
        result: Outcome = evaluations.create("hardware_faults", **parameters).run(of)
        return result


@pytest.mark.parametrize("encoder", ["direct", "imp", "rate"])
def test_numbers_follow_from_the_samples_and_the_seed_alone(encoder: str) -> None:
    small, large = (run(subject(encoder, batch_size=size), rates=[0.2], draws=2) for size in (5, 16))
    assert small.metrics == large.metrics
    assert small.details == large.details
    for name, column in small.columns.items():
        np.testing.assert_array_equal(column, large.columns[name])
    other = run(subject(encoder, seed=1), faults=["dead"], rates=[0.2], draws=2)
    assert other.details["faults"]["dead"]["hits"] != small.details["faults"]["dead"]["hits"]


def test_rate_nil_is_clean_to_the_sample() -> None:
    found = run(subject(), rates=[0.0, 0.5], draws=2)
    for name in set(ALL) - {*RATELESS, "bitflip_int8"}:
        np.testing.assert_array_equal(found.columns[f"correct_{name}_0"], found.columns["correct_clean"])
        assert found.details["faults"][name]["hits"][0] == 0
        assert found.details["faults"][name]["hits"][1] > 0
    np.testing.assert_array_equal(found.columns["correct_bitflip_int8_0"], found.columns["correct_int8"])
    assert found.metrics["accuracy_saturated_0.5"] < found.metrics["clean_accuracy"]


def test_one_fault_s_numbers_are_those_of_its_own_cell() -> None:
    whole = run(subject(), rates=[0.1], draws=2)
    cells = evaluations.get("hardware_faults").implementation.split({"rates": [0.1], "draws": 2})
    assert [cell["faults"] for cell in cells] == [[name] for name in ALL]
    parts = {cell["faults"][0]: run(subject(), **cell) for cell in cells}
    for name, part in parts.items():
        assert part.metrics["accuracy"] == pytest.approx(whole.metrics[f"accuracy_{name}"])
        assert part.details["faults"][name] == whole.details["faults"][name]
    mean = np.mean([part.metrics["accuracy"] for part in parts.values()])
    assert whole.metrics["accuracy"] == pytest.approx(mean)
    assert whole.metrics["worst_fault_accuracy"] == min(part.metrics["accuracy"] for part in parts.values())


def test_int4_is_the_model_with_its_weights_rounded_by_hand() -> None:
    of, found = subject(), run(subject(), faults=["int4"])
    for module in of.target.model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            codes, step = quantised(module.weight.detach(), 4)
            assert len(codes.unique()) <= 15
            module.weight.data = codes * step
    with of.target.frozen(), torch.no_grad():
        batch = next(of.samples.batches(24))
        expected = correct(of.target(batch.images), batch.labels)
    np.testing.assert_array_equal(found.columns["correct"], expected.numpy())
    assert found.details["faults"]["int4"]["critical_rate"] is None


def test_where_faults_strike_is_counted() -> None:
    found = run(subject(), faults=["dead", "synapse_dead"], rates=[0.5], draws=4)
    for name, sites in (("dead", 8 * 8 * 8 + 8 * 4 * 4), ("synapse_dead", 8 * 3 * 9 + 8 * 8 * 9 + 128 * 5)):
        details = found.details["faults"][name]
        assert details["sites"] == sites
        assert abs(details["hits"][0] - sites / 2) < 3 * np.sqrt(sites / 4)


def test_weights_that_are_not_finite_cost_the_answers() -> None:
    found = run(subject(), faults=["bitflip_float32"], rates=[0.5], draws=1)
    assert found.metrics["accuracy"] < 0.2


class Draws(nn.Module):
    """A model of another making that is stochastic, and fires."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small_target().model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.body((images + 0.3 * torch.rand_like(images)).clamp(0, 1))
        return logits


def test_a_stochastic_model_of_another_making() -> None:
    of = replace(subject(), target=Target(Draws(), stochastic=True))
    evaluation = evaluations.create("hardware_faults", faults=["stuck"], rates=[0.3], draws=2)
    with of.target.frozen():
        small, large = (evaluation.run(replace(of, batch_size=size)) for size in (3, 16))
    np.testing.assert_array_equal(small.columns["correct"], large.columns["correct"])


def test_layers_out_of_reach_are_flagged() -> None:
    target = small_target(encoder="el")
    samples = samples_for(target, 8)
    found = {name: run(Subject(target, samples), faults=[name], rates=[0.1], draws=1) for name in MISMATCHES}
    assert found["threshold"].flags == []
    assert found["leak"].flags == ["fault_sites_incomplete"]
    assert found["leak"].details["faults"]["leak"]["beyond"] == ["encoder.neuron"]


def test_bad_parameters_get_a_message() -> None:
    images, labels = torch.rand(4, 1, 4, 4), torch.zeros(4, dtype=torch.int64)
    ann = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    (found,) = evaluate(ann, images, labels, {"hardware_faults": {"faults": ["int8"]}})
    assert found.metrics["accuracy_int8"] == found.accuracy
    for faults in OUTPUTS:
        with pytest.raises(UserError, match=f"'{faults}' finds nothing to break in this model, which has no spiking"):
            evaluate(ann, images, labels, {"hardware_faults": {"faults": [faults]}})
    for parameters in ({"rates": [1.5]}, {"faults": ["melt"]}, {"layers": "spine"}, {"draws": 0}):
        with pytest.raises(UserError, match=next(iter(parameters))):
            evaluations.create("hardware_faults", **parameters)


def test_a_suite_ends_in_a_table_and_a_picture(tmp_path: Path) -> None:
    faults = {"faults": ["dead", "threshold", "bitflip_int8", "int8"], "rates": [0.01, 0.1], "draws": 2}
    spec = parse_suite(TINY | {"evaluations": ["clean", {"hardware_faults": {**faults, "label": "broken"}}]}, "s.yaml")
    plan = make_plan(spec, load_dataset(spec.dataset.name, **spec.dataset.parameters))
    released = run_plan(plan, tmp_path / "runs", tmp_path / "results", RunSettings(), mode="draft").released
    score = released.table.rows[0].cells["broken"]
    outcomes = read_outcomes(next((tmp_path / "runs" / "drafts").rglob("samples.parquet")))
    assert score.accuracy == pytest.approx(outcomes.of(("direct", "broken")).mean())
    assert score.metrics["clean_accuracy"] == released.table.rows[0].cells["clean"].accuracy
    assert list(fault_points(score.metrics, "dead")) == [0.01, 0.1]
    panels = draw_faults(released.table, "broken").axes
    assert [panel.get_title() for panel in panels] == ["dead", "threshold", "bitflip_int8", "quantised"]
    drawn = panels[0].lines[0].get_ydata()
    assert np.asarray(drawn).tolist() == pytest.approx(
        [100 * score.metrics[f"accuracy_dead_{rate}"] for rate in (0.01, 0.1)]
    )
    assert all(path.exists() for path in plot_faults(released.table, tmp_path / "picture", "broken"))
    with pytest.raises(UserError, match="add the evaluation hardware_faults"):
        draw_faults(released.table, "clean")

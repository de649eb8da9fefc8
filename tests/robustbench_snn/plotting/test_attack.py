"""Pictures of attacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from robustbench_snn import evaluate
from robustbench_snn.errors import UserError
from robustbench_snn.model.target import Target
from robustbench_snn.plotting.attack import draw_breakdown, draw_curve, draw_images, draw_spikes, spike_differences
from robustbench_snn.plotting.saving import save_figure
from tests.attack_models import Linear, held_out, trained


def test_every_picture_is_drawn_from_a_result(tmp_path: Path) -> None:
    model, (images, labels) = trained(), held_out(8)
    (found,) = evaluate(model, images, labels, [{"pgd": {"eps": 0.2, "keep_images": 3}}])
    clean, adversarial = found.arrays["clean"], found.arrays["adversarial"]
    changed = spike_differences(Target(model), torch.tensor(clean), torch.tensor(adversarial))
    assert np.asarray(changed).shape == (2, 4)
    assert np.max(changed) > 0
    assert np.max(spike_differences(Target(model), torch.tensor(clean), torch.tensor(clean))) == 0
    figures = [
        draw_images(clean, adversarial),
        draw_spikes(changed),
        draw_breakdown(found.details["stages"]),
        draw_curve([{"eps": 0.0, "accuracy": 1.0}, {"eps": 0.1, "accuracy": 0.5}]),
    ]
    for index, figure in enumerate(figures):
        assert all(path.stat().st_size > 500 for path in save_figure(figure, tmp_path / f"picture{index}"))


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(UserError, match="no stages"):
        draw_breakdown([])
    with pytest.raises(UserError, match="no spiking neurons"):
        spike_differences(Target(Linear(64, 10)), *(held_out(2)[0],) * 2)


def test_spike_differences_do_not_depend_on_the_step_mode() -> None:
    clean = held_out(3)[0]
    changed = (clean + 0.2).clamp(max=1.0)
    by_steps, at_once = (spike_differences(Target(trained(mode)), clean, changed) for mode in ("s", "m"))
    assert np.max(at_once) > 0
    np.testing.assert_allclose(by_steps, at_once)

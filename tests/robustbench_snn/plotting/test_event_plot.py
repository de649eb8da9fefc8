"""Event frames as colours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_snn.event.colours import attacked, coloured
from robustbench_snn.plotting.attack import draw_images
from robustbench_snn.plotting.events import draw_event_frames


def test_on_is_red_off_is_blue_nothing_is_white_and_both_are_dark() -> None:
    counts = torch.tensor([[[4.0, 0.0, 0.0, 4.0, 2.0]], [[0.0, 4.0, 0.0, 4.0, 0.0]]])
    wanted = [[1, 0, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0.5, 0.5]]
    assert coloured(counts, 4.0)[:, 0].T.tolist() == wanted


def test_one_panel_a_frame_and_one_for_their_sum() -> None:
    frames = torch.zeros(3, 2, 4, 4)
    frames[:, 0, 1, 1] = torch.tensor([1.0, 2.0, 0.0])
    figure = draw_event_frames({"before": frames, "after": frames.flip(1)})
    assert len(figure.axes) == 8
    (total,) = figure.axes[3].get_images()
    assert np.asarray(total.get_array())[1, 1].tolist() == [1, 0, 0]
    assert figure.axes[4].get_ylabel() == "after"
    with pytest.raises(ValueError, match="one number of frames"):
        draw_event_frames({"a": frames, "b": frames[:2]})


def test_an_attack_is_its_recordings_added_up_and_the_events_that_it_changed() -> None:
    clean = torch.zeros(1, 2, 2, 1, 3)
    clean[0, :, 0, 0, 0] = 2.0
    adversarial = clean.clone()
    adversarial[0, 0, 0, 0, 0] = 1.0  # an ON event is gone
    adversarial[0, 1, 1, 0, 2] = 1.0  # an OFF event is new
    before, after, changed = (part[0, :, 0].T.tolist() for part in attacked(clean, adversarial))
    assert before == [[1, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert after == [[1, 0.25, 0.25], [1, 1, 1], [0.75, 0.75, 1]]
    assert changed == [[1, 0, 0], [1, 1, 1], [0, 0, 1]]
    panels = draw_images(clean.numpy(), adversarial.numpy()).axes
    assert [panel.get_title() for panel in panels] == ["clean", "adversarial", "changed events"]
    shown = panels[2].images[0].get_array()
    assert shown is not None
    assert shown[0].tolist() == changed

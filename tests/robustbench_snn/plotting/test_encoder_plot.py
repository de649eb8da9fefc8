"""Pictures of encoders: the numbers behind them, the files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from robustbench_snn.errors import UserError
from robustbench_snn.plotting.encoder import draw, plot_encoder, run_encoder
from robustbench_snn.registry import encoders
from robustbench_snn.registry.data_kind import takers


@pytest.fixture(scope="module")
def digit() -> Tensor:
    return torch.tensor(load_digits().images[0] / 16.0, dtype=torch.float32)[None]


def test_numbers_of_a_run(digit: Tensor) -> None:
    run = run_encoder("ttfs", digit, timesteps=3, channels=16)
    assert run.frames is not None
    assert run.frames.shape == (3, 1, 8, 8)
    assert (run.frames.sum(0) == 1).all()
    assert run.spikes.shape == (3, 16, 8, 8)
    assert run.rates == [float(step.mean()) for step in run.spikes]
    assert len(run.words) == 8
    assert sum(run.words) == 16 * 64
    fired = sum(count * bin(word).count("1") for word, count in enumerate(run.words))
    assert fired == int(run.spikes.sum())
    assert 0 < run.entropy < 1
    assert run_encoder("stf", digit).frames is None


SHIPPED = [
    name
    for name in takers("encoders", events=False)
    if encoders.declaration(name).origin.startswith("robustbench_snn.")  # none that another test registers
]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_encoder_can_be_drawn(name: str, digit: Tensor) -> None:
    figure = draw(run_encoder(name, digit, channels=16))
    assert len(figure.subfigs) == 3


def test_files(digit: Tensor, tmp_path: Path) -> None:
    files = plot_encoder("rate", digit.expand(3, 8, 8), timesteps=2, path=tmp_path / "new" / "rate.pdf")
    assert [file.name for file in files] == ["rate.png", "rate.svg"]
    with Image.open(files[0]) as picture:
        assert picture.size[0] > 400
    svg = files[1].read_bytes()
    assert b"<svg" in svg
    again = plot_encoder("rate", digit.expand(3, 8, 8), timesteps=2, path=tmp_path / "again")
    assert again[1].read_bytes() == svg  # the same picture, the same bytes


def test_long_runs_show_the_most_frequent_words(digit: Tensor) -> None:
    figure = draw(run_encoder("direct", digit, timesteps=8, channels=16))
    assert "32 most frequent words" in figure.subfigs[2].axes[1].get_title()


def test_parameters_reach_the_encoder(digit: Tensor) -> None:
    high, usual = (
        run_encoder("sigma_delta", digit, parameters=parameters).frames for parameters in ({"threshold": 2.0}, {})
    )
    assert high is not None
    assert usual is not None
    assert high.sum() < usual.sum()


@pytest.mark.parametrize("image", [torch.zeros(2, 8, 8), torch.zeros(8, 8), torch.full((1, 8, 8), 1.5)])
def test_what_is_no_image(image: Tensor, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"an image is \(C, H, W\)"):
        plot_encoder("direct", image, path=tmp_path / "x")


def test_unknown_encoder_and_unwritable_place(digit: Tensor, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'stf'"):
        plot_encoder("sft", digit, path=tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        plot_encoder("direct", digit, path=tmp_path / "file" / "x")

"""What holds for every corruption: kinds of images, determinism, parameters by size, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_snn.corruption.contract import EXTRA, STANDARD
from robustbench_snn.corruption.generate import block_length, corrupt, resolve_parameters
from robustbench_snn.errors import UnknownNameError, UserError
from robustbench_snn.registry import corruptions
from robustbench_snn.suites.corruptions import _textures, frost

NAMES = (*STANDARD, *EXTRA)
STOCHASTIC = {name for name in NAMES if corruptions.declaration(name).traits.stochastic}


@pytest.fixture(autouse=True)
def photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small stand-ins: these tests need no installed textures."""
    random = np.random.default_rng(0)
    pictures = tuple(torch.from_numpy(random.integers(0, 256, (3, 400, 500), dtype=np.uint8)) for _ in range(5))
    monkeypatch.setattr(frost, "photographs", lambda: pictures)
    frost._textures.cache_clear()


def pictures(count: int, height: int = 32, width: int = 32, channels: int = 3) -> npt.NDArray[np.uint8]:
    """Smooth pictures with an edge, all different."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (count, 4, 4, channels))
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
    fine = coarse[:, rows][:, :, columns] * 0.8 + random.integers(0, 52, (count, height, width, channels))
    return fine.astype(np.uint8)


def test_all_nineteen_types_are_registered() -> None:
    assert len(NAMES) == len(set(NAMES)) == 19
    assert set(NAMES) <= set(corruptions.names())
    assert {"gaussian_noise", "glass_blur", "snow", "elastic_transform"} <= STOCHASTIC
    assert not STOCHASTIC & {"contrast", "jpeg_compression", "zoom_blur", "pixelate"}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (28, 37), (64, 66)])
@pytest.mark.parametrize("name", NAMES)
def test_every_type_runs_on_every_size(name: str, size: tuple[int, int], channels: int) -> None:
    images = pictures(2, *size, channels)
    for severity in (1, 5):
        corrupted = corrupt(images, name, severity)
        assert corrupted.shape == images.shape
        assert corrupted.dtype == np.uint8
    if not (channels == 1 and name == "saturate"):  # greys have no saturation
        assert (corrupted != images).any()


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_samples_do_not_depend_on_batch_order_or_threads(name: str, size: int) -> None:
    images = pictures(21, size, size)
    whole = corrupt(images, name, 3, seed=4, sample_ids=range(100, 121))
    order = np.random.default_rng(2).permutation(21)
    mixed = corrupt(images[order], name, 3, seed=4, sample_ids=(order + 100).tolist())
    np.testing.assert_array_equal(mixed, whole[order])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for part in (slice(0, 1), slice(1, 8), slice(8, 21)):
            alone = corrupt(images[part], name, 3, seed=4, sample_ids=range(100, 121)[part])
            np.testing.assert_array_equal(alone, whole[part])
    finally:
        torch.set_num_threads(threads)


@given(first=st.integers(0, 11), length=st.integers(1, 12), name=st.sampled_from(NAMES))
@settings(max_examples=40)
def test_any_part_of_a_batch_is_a_part_of_the_whole(first: int, length: int, name: str) -> None:
    images = pictures(12, 20, 24)
    part = slice(first, first + length)
    whole = corrupt(images, name, 4)
    np.testing.assert_array_equal(corrupt(images[part], name, 4, sample_ids=range(12)[part]), whole[part])


def test_work_is_done_in_blocks_whose_size_does_not_show() -> None:
    length = block_length(torch.from_numpy(pictures(1)))
    assert length % 8 == 0
    assert block_length(torch.zeros(1, 3, 1024, 1024)) == 8
    images = torch.from_numpy(pictures(2 * length + 5))
    whole = corrupt(images, "snow", 2)
    for part in torch.arange(len(images)).split(16):
        assert torch.equal(corrupt(images[part], "snow", 2, sample_ids=part.tolist()), whole[part])


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_samples_matter_exactly_for_stochastic_types(name: str) -> None:
    images = np.repeat(pictures(1), 2, axis=0)
    once, again, other = (corrupt(images, name, 5, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any() == (name in STOCHASTIC)
    assert (once[0] != once[1]).any() == (name in STOCHASTIC)


@pytest.mark.parametrize("name", NAMES)
def test_float_and_uint8_images_are_corrupted_alike(name: str) -> None:
    images = pictures(3)
    expected = corrupt(images, name, 4)
    floats = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    every: tuple[Any, ...] = (floats, floats.double(), floats.numpy())
    for given_images in every:
        found = corrupt(given_images, name, 4)
        assert type(found) is type(given_images)
        assert found.dtype == given_images.dtype
        levels = np.asarray(found).transpose(0, 2, 3, 1) * 255
        np.testing.assert_allclose(levels, expected, atol=1e-4)


def test_input_is_left_alone() -> None:
    for name in NAMES:
        images = torch.from_numpy(pictures(2))
        before = images.clone()
        corrupt(images, name, 5)
        assert torch.equal(images, before)


def test_no_images() -> None:
    assert corrupt(np.zeros((0, 32, 32, 3), np.uint8), "fog", 1).shape == (0, 32, 32, 3)


def test_parameters_by_size_and_by_name() -> None:
    assert [resolve_parameters("auto", (side, 8)) for side in (8, 32, 48, 49, 64, 224)] == [
        *("cifar",) * 3,
        *("imagenet",) * 3,
    ]
    small, large = pictures(2), pictures(2, 64, 64)
    for images, chosen, other in ((small, "cifar", "imagenet"), (large, "imagenet", "cifar")):
        auto = corrupt(images, "contrast", 1)
        np.testing.assert_array_equal(auto, corrupt(images, "contrast", 1, parameters=chosen))  # type: ignore[arg-type]
        assert (auto != corrupt(images, "contrast", 1, parameters=other)).any()  # type: ignore[arg-type]


def test_user_errors() -> None:
    images = pictures(2)
    with pytest.raises(UnknownNameError, match="Did you mean 'frost'"):
        corrupt(images, "frosst", 1)
    for severity in (0, 6, 1.5, True):
        with pytest.raises(UserError, match="from 1 to 5"):
            corrupt(images, "fog", severity)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="need 2 sample_ids"):
        corrupt(images, "fog", 1, sample_ids=[1])
    with pytest.raises(UserError, match="1 or 3 channels"):
        corrupt(images.transpose(0, 3, 1, 2), "fog", 1)
    with pytest.raises(UserError, match="must be uint8"):
        corrupt(images[0], "fog", 1)
    with pytest.raises(UserError, match="must be uint8"):
        corrupt(images.astype(np.int64), "fog", 1)
    for bad in (2.0, -0.1, float("nan")):
        with pytest.raises(UserError, match=r"must lie in \[0, 1\]"):
            corrupt(torch.full((1, 3, 8, 8), bad), "fog", 1)
    with pytest.raises(UserError, match="choose auto, cifar or imagenet"):
        corrupt(images, "fog", 1, parameters="tiny")  # type: ignore[arg-type]


def test_missing_photographs_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_textures, "PACKAGE", "a-package-that-is-not-there")
    _textures.photographs.cache_clear()
    with pytest.raises(UserError, match="pip install a-package"):
        _textures.photographs()
    _textures.photographs.cache_clear()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_the_gpu_gives_the_same_images(name: str) -> None:
    images = torch.from_numpy(pictures(9))
    on_cpu, on_gpu = corrupt(images, name, 3).int(), corrupt(images.cuda(), name, 3).cpu().int()
    same = ((on_cpu - on_gpu).abs() <= 1).float().mean()
    assert float(same) > 0.999

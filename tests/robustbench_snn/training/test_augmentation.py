"""Augmentation keeps images in [0, 1] and targets on the simplex, and does what its name says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustbench_snn.dataset import Dataset
from robustbench_snn.training import Recipe
from robustbench_snn.training.augmentation import Augmentation, random_crop
from robustbench_snn.training.batches import TrainingBatches, seed_everything

MEAN = (0.2, 0.5, 0.7)
FULL = {"mixup": 0.5, "cutmix": 1.0, "randaugment": "rand-m9-n1-mstd0.4-inc1", "random_erasing": 0.5,
        "horizontal_flip": 0.5, "crop_padding": 2, "label_smoothing": 0.1}  # fmt: skip


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.booleans())
def test_ranges_and_simplex(seed: int, channels: int, mixing: bool) -> None:
    seed_everything(seed)
    images, labels = torch.rand(6, channels, 12, 12), torch.randint(0, 5, (6,))
    before = images.clone()
    augmentation = Augmentation(Recipe(**FULL), 5, MEAN[:channels], mixing=mixing)  # type: ignore[arg-type]
    augmented, targets = augmentation(images, labels)
    assert augmented.shape == images.shape
    assert augmented.dtype == torch.float32
    assert 0.0 <= float(augmented.min()) <= float(augmented.max()) <= 1.0
    assert torch.allclose(targets.sum(1), torch.ones(6), atol=1e-6)
    assert float(targets.min()) >= 0.1 / 5 - 1e-7
    assert torch.equal(images, before)
    if not mixing:
        assert torch.equal(targets.argmax(1), labels)
        assert torch.allclose(targets.amax(1), torch.full((6,), 0.9 + 0.1 / 5))


def test_mixup_mixes_images_as_it_mixes_labels() -> None:
    seed_everything(1)
    images, labels = torch.rand(4, 1, 5, 5), torch.arange(4)
    mixed, targets = Augmentation(Recipe(mixup=0.5), 4, (0.5,), mixing=True)(images, labels)
    share = targets.diagonal()
    assert 0.0 < float(share[0]) < 1.0
    expected = share[0] * images + (1 - share[0]) * images.flip(0)
    assert torch.allclose(mixed, expected, atol=1e-6)


def test_erased_rectangles_have_the_mean_colour() -> None:
    seed_everything(0)
    images = torch.rand(20, 3, 16, 16)
    erased, _ = Augmentation(Recipe(random_erasing=1.0), 2, MEAN, mixing=False)(images, torch.zeros(20).long())
    changed = (erased != images).any(1)
    assert changed.flatten(1).any(1).all()
    for image, mask in zip(erased, changed, strict=True):
        assert torch.allclose(image[:, mask], torch.tensor(MEAN)[:, None].expand(3, int(mask.sum())))
        assert 0.02 * 0.5 < float(mask.float().mean()) < 0.45  # timm's areas, 2 to 33 per cent, rounded to pixels
        rows, columns = mask.any(1), mask.any(0)
        assert torch.equal(mask, rows[:, None] & columns)


def test_flips_and_crops() -> None:
    seed_everything(0)
    images = torch.rand(200, 1, 4, 4)
    flipped, _ = Augmentation(Recipe(horizontal_flip=0.25), 2, (0.5,), mixing=False)(images, torch.zeros(200).long())
    is_flipped = (flipped == images.flip(3)).flatten(1).all(1)
    assert torch.equal(flipped[~is_flipped], images[~is_flipped])
    assert 30 <= int(is_flipped.sum()) <= 70
    cropped = random_crop(images, 1)
    padded = torch.nn.functional.pad(images, [1] * 4)
    places = [(padded[:, :, y : y + 4, x : x + 4] == cropped).flatten(1).all(1) for y in range(3) for x in range(3)]
    assert torch.stack(places).any(0).all()
    assert all(place.any() for place in places)


def test_randaugment_of_strength_zero_probability_changes_nothing() -> None:
    images = torch.randint(0, 256, (4, 3, 8, 8)) / 255.0
    recipe = Recipe(randaugment="rand-m9-n1-p0.0")
    assert torch.allclose(Augmentation(recipe, 2, MEAN, mixing=False)(images, torch.zeros(4).long())[0], images)


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_at_full_strength(channels: int) -> None:
    """Magnitude 10 asks for posterizing to no bits, which newer Pillows refuse."""
    seed_everything(0)
    recipe = Recipe(randaugment="rand-m10-n2-p1.0-inc1")
    images = torch.rand(200, channels, 8, 8)
    augmented, _ = Augmentation(recipe, 2, MEAN[:channels], mixing=False)(images, torch.zeros(200).long())
    assert augmented.shape == images.shape
    assert (augmented.flatten(1).amax(1) == 0).any()


def test_batches_follow_from_seed_epoch_and_number_alone(digits: Dataset) -> None:
    recipe = Recipe(batch_size=32, **FULL)  # type: ignore[arg-type]

    def batches(seed: int, epoch: int) -> TrainingBatches:
        return TrainingBatches(digits.train, recipe, classes=10, mean=digits.mean, seed=seed, epoch=epoch)

    first = [batches(0, 1)[index] for index in (2, 0, 1)]  # in another order
    again = list(batches(0, 1))
    assert len(again) == 3  # 100 images: the last 4 are left out
    for one, other in zip(first, (again[2], again[0], again[1]), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(batches(0, 0)[0][0], batches(0, 1)[0][0])
    assert not torch.equal(batches(1, 1)[0][0], batches(0, 1)[0][0])


def test_mixing_ends_with_its_epoch(digits: Dataset) -> None:
    recipe = Recipe(batch_size=32, mixup=0.5, mixup_off_epoch=2)
    for epoch, mixes in ((0, True), (1, True), (2, False), (3, False)):
        batches = TrainingBatches(digits.train, recipe, classes=10, mean=digits.mean, seed=0, epoch=epoch)
        assert any(bool((targets.amax(1) < 1).any()) for _, targets, _ in batches) == mixes

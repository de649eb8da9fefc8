"""Loaders of the published sets, on small sets of the same form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn.corruption.published import PublishedCorruptions
from robustbench_snn.corruption.samples import PublishedSamples
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.errors import UserError
from robustbench_snn.evaluation.contract import Evaluation
from robustbench_snn.registry import evaluations

COUNT = 4
LABELS = np.array([3, 1, 2, 9])


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """Every pixel says which type, severity and row it belongs to."""
    for kind, name in enumerate(("fog", "frost")):
        rows = np.array([100 * kind + 10 * severity + row for severity in range(1, 6) for row in range(COUNT)])
        np.save(tmp_path / f"{name}.npy", np.broadcast_to(rows[:, None, None, None], (20, 32, 32, 3)).astype(np.uint8))
    np.save(tmp_path / "labels.npy", np.tile(LABELS, 5))
    return tmp_path


def opened(root: Path) -> PublishedCorruptions:
    return PublishedCorruptions(root, "cifar10-c", samples=COUNT)


def test_cifar_rows_are_found_by_severity(cifar: Path) -> None:
    images = opened(cifar).images("frost", 3, 1, 3)
    assert images.shape == (2, 32, 32, 3)
    assert images.dtype == np.uint8
    assert images[:, 0, 0, 0].tolist() == [131, 132]
    assert opened(cifar).images("fog", 5)[:, 5, 6, 1].tolist() == [50, 51, 52, 53]
    assert opened(cifar).images("fog", 1, 3, 99)[:, 0, 0, 0].tolist() == [13]  # never into the next severity


def test_cifar_labels(cifar: Path) -> None:
    published = opened(cifar)
    assert published.labels("fog", 4).tolist() == LABELS.tolist()
    clean = ArraySamples(torch.zeros(4, 3, 32, 32), torch.tensor([3, 1, 5, 9]), torch.arange(4))
    with pytest.raises(UserError, match=r"1 of 4 labels of cifar10-c at .* are not those of the evaluated samples"):
        PublishedSamples(clean, published, "fog", 4)


def test_a_part_of_the_paired_samples_keeps_its_images(cifar: Path) -> None:
    clean = ArraySamples(torch.zeros(4, 3, 32, 32), torch.tensor(LABELS), torch.arange(4))
    part = PublishedSamples(clean, opened(cifar), "frost", 2).subset(torch.tensor([3, 1])).subset(torch.tensor([0, 1]))
    assert (part.labels.tolist(), part.ids.tolist()) == ([9, 1], [3, 1])
    assert (255 * part.images(torch.tensor([1, 0]))[:, 0, 0, 0]).round().tolist() == [121, 123]


def test_missing_types_are_named(cifar: Path) -> None:
    published = opened(cifar)
    assert published.names == ("frost", "fog")
    published.require(["fog"])
    with pytest.raises(UserError, match="lacks snow; it has frost, fog"):
        published.require(["fog", "snow"])
    with pytest.raises(UserError, match="Did you mean 'frost'"):
        published.images("forst", 1)


def test_bad_files_are_refused(cifar: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"must be uint8 of shape \(50000, 32, 32, 3\)"):
        PublishedCorruptions(cifar, "cifar10-c").images("fog", 1)
    labels = np.tile(LABELS, 5)
    labels[-1] = 0
    np.save(cifar / "labels.npy", labels)
    with pytest.raises(UserError, match="labels differ between severities"):
        opened(cifar).labels("fog", 1)
    np.save(cifar / "labels.npy", np.full(20, 10))
    with pytest.raises(UserError, match="cifar10-c has 10 classes"):
        opened(cifar).labels("fog", 1)
    (cifar / "labels.npy").unlink()
    with pytest.raises(UserError, match=r"labels\.npy is missing"):
        opened(cifar).labels("fog", 1)
    (cifar / "fog.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(UserError, match=r"not a whole \.npy file"):
        opened(cifar).images("fog", 1)
    with pytest.raises(UserError, match="severity must be"):
        opened(cifar).images("frost", 6)


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        PublishedCorruptions(tmp_path / "nowhere", "cifar10-c")
    with pytest.raises(UserError, match="holds no <type>"):
        PublishedCorruptions(tmp_path, "imagenet-c")
    with pytest.raises(UserError, match="Did you mean 'cifar10-c'"):
        PublishedCorruptions(tmp_path, "cifar-10-c")  # type: ignore[arg-type]


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Two types, one of them within a group folder; the brightness says class and severity."""
    for place in ("fog", "noise/shot_noise"):
        for severity in range(1, 6):
            for label, name in enumerate(("n01", "n02")):
                folder = tmp_path / place / str(severity) / name
                folder.mkdir(parents=True)
                for file in ("b.png", "a.png"):
                    Image.new("RGB", (8, 6), (10 * severity, label, ord(file[0]))).save(folder / file)
    return tmp_path


def test_imagenet_folders(imagenet: Path) -> None:
    published = PublishedCorruptions(imagenet, "imagenet-c")
    assert published.names == ("shot_noise", "fog")
    images = published.images("shot_noise", 4, 1)
    assert images.shape == (3, 6, 8, 3)
    assert images[:, 0, 0].tolist() == [[40, 0, 98], [40, 1, 97], [40, 1, 98]]
    assert published.labels("fog", 2).tolist() == [0, 0, 1, 1]


def test_imagenet_with_a_file_missing(imagenet: Path) -> None:
    (imagenet / "fog/3/n02/a.png").unlink()
    with pytest.raises(
        UserError, match=r"fog/3 does not hold the same classes and files as shot_noise/1 \(3 against 4"
    ):
        PublishedCorruptions(imagenet, "imagenet-c").labels("fog", 3)


def test_imagenet_with_images_of_two_sizes(imagenet: Path) -> None:
    Image.new("RGB", (9, 6)).save(imagenet / "fog/1/n02/a.png")
    with pytest.raises(UserError, match="has shape"):
        PublishedCorruptions(imagenet, "imagenet-c").images("fog", 1)


def test_a_set_is_known_by_its_content(cifar: Path) -> None:
    before = opened(cifar).content(["fog"], [1])
    assert set(before) == {"fog.npy", "labels.npy"}
    np.save(cifar / "frost.npy", np.load(cifar / "frost.npy") + 1)
    assert opened(cifar).content(["fog"], [1]) == before
    images = np.load(cifar / "fog.npy")
    images[7, 3, 3, 0] += 1
    np.save(cifar / "fog.npy", images)
    after = opened(cifar).content(["fog"], [1])
    assert after["fog.npy"] != before["fog.npy"]
    assert after["labels.npy"] == before["labels.npy"]


def test_content_of_imagenet_folders(imagenet: Path) -> None:
    before = PublishedCorruptions(imagenet, "imagenet-c").content(["shot_noise", "fog"], [1, 2])
    assert set(before) == {"shot_noise/1", "shot_noise/2", "fog/1", "fog/2"}
    Image.new("RGB", (8, 6), (1, 2, 3)).save(imagenet / "fog/2/n02/a.png")
    after = PublishedCorruptions(imagenet, "imagenet-c").content(["shot_noise", "fog"], [1, 2])
    assert {place for place in before if before[place] != after[place]} == {"fog/2"}


def test_an_evaluation_on_published_files_says_their_content(cifar: Path) -> None:
    def evaluation(**parameters: object) -> Evaluation:
        found: Evaluation = evaluations.create("corruptions", types=["fog"], severities=[1], **parameters)
        return found

    published = evaluation(source="published", root=str(cifar))
    assert published.content() == opened(cifar).content(["fog"], [1])
    assert set(published.components()) == {("estimators", "training")}, "no corruption is computed"
    assert published.places == {"root"}
    assert evaluation().content() == {}

"""Fashion-MNIST: photographs of clothing, the size and format of MNIST."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.dataset.contract import TRAINING_IDS, Dataset, Limit, Share, build, register_dataset
from robustbench_snn.dataset.fingerprint import fingerprint
from robustbench_snn.dataset.idx import read_idx
from robustbench_snn.dataset.locate import find
from robustbench_snn.dataset.samples import ArraySamples
from robustbench_snn.dataset.statistics import channel_statistics
from robustbench_snn.errors import DatasetError

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@register_dataset(
    "fashion_mnist",
    version=1,
    files=(
        "train-images-idx3-ubyte*",
        "train-labels-idx1-ubyte*",
        "t10k-images-idx3-ubyte*",
        "t10k-labels-idx1-ubyte*",
    ),
    inside=(".", "raw", "FashionMNIST/raw"),
    places=("/usr/share/datasets/fashion-mnist", "~/.cache/robustbench_snn/fashion_mnist", "data"),
    install="on Debian and Ubuntu run 'apt-get install dataset-fashion-mnist'",
)
def fashion_mnist(
    *, root: str | None = None, validation: Share = 0.1, limit: Limit = None, train_limit: Limit = None
) -> Dataset:
    """Clothing, 28x28 grey, 10 classes, 60,000 + 10,000 images (Xiao, Rasul and Vollgraf, 2017, arXiv:1708.07747).

    Args:
        root: folder of the four IDX files, gzipped or not; else the environment variable
            ``RBSNN_FASHION_MNIST_ROOT``; else where Debian's package dataset-fashion-mnist puts them.
        validation: share of the training images held out.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folder = find("fashion_mnist", root)
    train, test = _read(folder, "train", TRAINING_IDS), _read(folder, "t10k", 0)
    return build(
        "fashion_mnist",
        train=train,
        validation=validation,
        test=test,
        classes=len(CLASSES),
        statistics=channel_statistics,
        fingerprint=fingerprint(train.labels, train.pixels, test.labels, test.pixels),
        limit=limit,
        train_limit=train_limit,
        class_names=CLASSES,
        source=str(folder),
    )


def _read(folder: Path, part: str, first_id: int) -> ArraySamples:
    images_file, labels_file = (_file(folder, f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise DatasetError(f"{images_file} holds {len(images)} images, but {labels_file} {len(labels)} labels")
    return ArraySamples.numbered(images.unsqueeze(1), labels, first_id)


def _file(folder: Path, stem: str) -> Path:
    """The gzipped file or the plain one, whichever is there."""
    for name in (f"{stem}.gz", stem):
        if (folder / name).is_file():
            return folder / name
    raise DatasetError(f"{folder} holds neither {stem}.gz nor {stem}")

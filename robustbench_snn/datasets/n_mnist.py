"""N-MNIST: the digits of MNIST before a camera that moves in three saccades."""

from __future__ import annotations

from pydantic import PositiveInt

from robustbench_snn.dataset.contract import TRAINING_IDS, Dataset, Limit, Share, register_dataset
from robustbench_snn.dataset.locate import find
from robustbench_snn.dataset.recorded import Binning, of_recordings
from robustbench_snn.dataset.recording_files import in_class_folders
from robustbench_snn.errors import DatasetError
from robustbench_snn.event.recorded import read_atis
from robustbench_snn.event.stream import By

SIDE = 34
CLASSES = tuple(map(str, range(10)))


@register_dataset(
    "n_mnist",
    version=1,
    files=("Train", "Test"),
    inside=(".", "extract"),
    install="get Train.zip and Test.zip from the page of Orchard et al. (2015) and unpack them side by side",
    events=True,
)
def n_mnist(
    *,
    root: str | None = None,
    frames: PositiveInt = 10,
    by: By = "count",
    size: PositiveInt | None = None,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Recorded events, 34x34, 10 classes, 60,000 + 10,000 recordings (Orchard et al., 2015, arXiv:1507.07629).

    The split is the authors', which is MNIST's: the folders ``Train`` and ``Test``.

    Args:
        root: folder of ``Train`` and ``Test``, each with folders 0 to 9 of ``.bin`` files; else the environment
            variable ``RBSNN_N_MNIST_ROOT``.
        frames: F, how many frames a recording becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        size: sum whole squares of pixels, so that frames fit in this height and width; zeros fill what is left.
        validation: share of the training recordings held out.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folders = [(f"{part}/{name}", label) for part in ("Train", "Test") for label, name in enumerate(CLASSES)]
    recordings = in_class_folders(
        find("n_mnist", root), folders, ".bin", _number, lambda path: read_atis(path, SIDE, SIDE)
    )
    return of_recordings(
        "n_mnist",
        recordings,
        recordings.ids < TRAINING_IDS,
        Binning(frames, by, SIDE, SIDE, size),
        split="official",
        published="60000 + 10000",
        class_names=CLASSES,
        validation=validation,
        limit=limit,
        train_limit=train_limit,
    )


def _number(folder: str, stem: str) -> int:
    if not (stem.isascii() and stem.isdigit() and len(stem) == 5):
        raise DatasetError(f"{folder}/{stem}.bin is not named as N-MNIST's files are, by a number of five digits")
    return int(stem) + (TRAINING_IDS if folder.startswith("Train") else 0)

"""N-Caltech101: the photographs of Caltech101 before a camera that moves in three saccades."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from robustbench_snn.dataset.contract import Dataset, Limit, Share, register_dataset
from robustbench_snn.dataset.fingerprint import path_id
from robustbench_snn.dataset.locate import find
from robustbench_snn.dataset.named_splits import random_tenth
from robustbench_snn.dataset.recorded import Binning, of_recordings
from robustbench_snn.dataset.recording_files import in_class_folders
from robustbench_snn.errors import DatasetError
from robustbench_snn.event.recorded import read_atis
from robustbench_snn.event.stream import By

HEIGHT, WIDTH = 180, 240
BACKGROUND = "BACKGROUND_Google"


@register_dataset(
    "n_caltech101",
    version=1,
    files=("Caltech101",),
    inside=(".", "extract"),
    install="get Caltech101.zip from the page of Orchard et al. (2015) and unpack it",
    events=True,
)
def n_caltech101(
    *,
    root: str | None = None,
    frames: PositiveInt = 10,
    by: By = "count",
    size: PositiveInt | None = None,
    split: Literal["random-9:1"] = "random-9:1",
    background: bool = True,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Recorded events, 180x240, 101 classes, 8,709 recordings (Orchard et al., 2015, arXiv:1507.07629).

    Recordings are of many sizes. All are placed in one sensor of 180x240 pixels with their own coordinates, from the
    upper left corner; the rest stays empty. The authors give no split: ``random-9:1`` tests on a fixed random tenth of
    each class, rounded down. Ids are hashes of the files' paths; classes are the folders, sorted.

    Args:
        root: folder of ``Caltech101``, with one folder of ``.bin`` files a class; else the environment variable
            ``RBSNN_N_CALTECH101_ROOT``.
        frames: F, how many frames a recording becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        size: sum whole squares of pixels, so that frames fit in this height and width; zeros fill what is left. 64
            sums 4x4 pixels to 45x60 of 64x64.
        split: which recordings are for testing.
        background: with the class of background images, ``BACKGROUND_Google``.
        validation: share of the training recordings held out.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folder = find("n_caltech101", root) / "Caltech101"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and any(entry.glob("*.bin")))
    except OSError as error:
        raise DatasetError(f"{folder} cannot be looked into: {error.strerror or error}") from None
    classes = [name for name in names if background or name != BACKGROUND]
    if not classes:
        raise DatasetError(f"{folder} holds no folder of recordings *.bin; unpack Caltech101.zip anew")
    folders = [(name, label) for label, name in enumerate(classes)]
    recordings = in_class_folders(
        folder, folders, ".bin", lambda *names: path_id("/".join(names)), lambda path: read_atis(path, HEIGHT, WIDTH)
    )
    return of_recordings(
        "n_caltech101",
        recordings,
        random_tenth("n_caltech101 random-9:1", recordings.ids, recordings.labels),
        Binning(frames, by, HEIGHT, WIDTH, size),
        split=split,
        published="8709",
        class_names=classes,
        validation=validation,
        limit=limit,
        train_limit=train_limit,
    )

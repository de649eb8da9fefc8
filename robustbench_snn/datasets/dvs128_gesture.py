"""DVS128-Gesture: people's gestures before a DVS128."""

from __future__ import annotations

import torch
from pydantic import PositiveInt

from robustbench_snn.dataset.content import digest_of
from robustbench_snn.dataset.contract import Dataset, Limit, Share, register_dataset
from robustbench_snn.dataset.fingerprint import fingerprint, path_id
from robustbench_snn.dataset.gesture_trials import GestureReader, gestures_of, listed
from robustbench_snn.dataset.locate import find
from robustbench_snn.dataset.recorded import Binning, Recordings, of_recordings
from robustbench_snn.errors import DatasetError
from robustbench_snn.event.recorded import DVS128
from robustbench_snn.event.stream import By

CLASSES = (
    *("hand clapping", "right hand wave", "left hand wave", "right arm clockwise", "right arm counter-clockwise"),
    *("left arm clockwise", "left arm counter-clockwise", "arm roll", "air drums", "air guitar", "other gestures"),
)
TRAIN, TEST = "trials_to_train.txt", "trials_to_test.txt"


@register_dataset(
    "dvs128_gesture",
    version=1,
    files=("trials_to_train.txt", "trials_to_test.txt"),
    inside=(".", "DvsGesture", "extract/DvsGesture"),
    install="get DvsGesture.tar.gz from its authors (Amir et al., 2017) and unpack it",
    events=True,
)
def dvs128_gesture(
    *,
    root: str | None = None,
    frames: PositiveInt = 16,
    by: By = "count",
    size: PositiveInt | None = None,
    validation: Share = 0.1,
    limit: Limit = None,
    train_limit: Limit = None,
) -> Dataset:
    """Recorded events, 128x128, 11 gestures, 1,176 + 288 of them (Amir et al., CVPR 2017).

    The split is the authors', by people: ``trials_to_train.txt`` and ``trials_to_test.txt``. Gestures are cut out as
    SpikingJelly cuts them, start <= t < end of each row of a recording's table; ids are hashes of recording and row.

    Args:
        root: folder of the AEDAT 3.1 files and their tables, or the one that holds it; else the environment variable
            ``RBSNN_DVS128_GESTURE_ROOT``.
        frames: F, how many frames a gesture becomes.
        by: frames of equal ``time``, or of equal numbers of events (``count``).
        size: sum whole squares of pixels, so that frames fit in this height and width; zeros fill what is left.
        validation: share of the training gestures held out.
        limit: use this many test samples.
        train_limit: use this many training samples.
    """
    folder = find("dvs128_gesture", root)
    sides = {name: listed(folder, name) for name in (TRAIN, TEST)}
    both = sorted({*sides[TRAIN]} & {*sides[TEST]})
    if both:
        raise DatasetError(f"{both[0]} is in {TRAIN} and in {TEST} of {folder}: get them again")
    files = sorted(sides[TRAIN] + sides[TEST])
    gestures = [gesture for file in files for gesture in gestures_of(folder, file)]
    reader = GestureReader(folder)
    recordings = Recordings(
        labels=torch.tensor([gesture.label for gesture in gestures], dtype=torch.int64),
        ids=torch.tensor([path_id(f"{gesture.file}/{gesture.row}") for gesture in gestures], dtype=torch.int64),
        read=lambda row: reader(gestures[row]),
        contents=fingerprint(
            digest_of(folder, [folder / file for file in files]),
            *(f"{one.file} {one.row} {one.label} {one.start} {one.end}" for one in gestures),
        ),
        source=str(folder),
    )
    testing = {*sides[TEST]}
    return of_recordings(
        "dvs128_gesture",
        recordings,
        torch.tensor([gesture.file in testing for gesture in gestures], dtype=torch.bool),
        Binning(frames, by, DVS128, DVS128, size),
        split="official",
        published="1176 + 288",
        class_names=CLASSES,
        validation=validation,
        limit=limit,
        train_limit=train_limit,
    )

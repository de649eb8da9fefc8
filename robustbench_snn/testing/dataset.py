"""What every dataset must satisfy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import isfinite
from typing import Any, ClassVar

import torch

from robustbench_snn.dataset.contract import Dataset, load_dataset
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.registry import datasets
from robustbench_snn.testing.results import CheckResult, check_component, require

LOOKED_AT = 64
"""Images of each split that are fetched: of large sets not all."""


class DatasetConformance:
    """The checks of a dataset; subclass it in a pytest file as ``Test...`` and name the component.

    Attributes:
        component: a registered name.
        parameters: YAML parameters to load it with, such as ``root``, without limits.
    """

    component: ClassVar[str]
    parameters: ClassVar[Mapping[str, Any]] = {}

    def load(self, **limits: int) -> Dataset:
        """Loads it anew."""
        return load_dataset(self.component, **self.parameters, **limits)

    @cached_property
    def whole(self) -> Dataset:
        """All of it."""
        return self.load()

    def splits(self, data: Dataset | None = None) -> Mapping[str, Samples]:
        """The splits that hold samples, by name."""
        data = data or self.whole
        found = {"train": data.train, "validation": data.validation, "test": data.test}
        return {name: samples for name, samples in found.items() if len(samples) or name != "validation"}

    def test_facts(self) -> None:
        """Name, channels, statistics, class names and fingerprint are well formed."""
        data = self.whole
        require(data.name == self.component, f"calls itself '{data.name}', is registered as '{self.component}'")
        declared = datasets.declaration(self.component).traits.events
        require(data.events == declared, f"declared events={declared}, but its samples are "
                f"{'event frames' if data.events else 'images'}")  # fmt: skip
        wanted = (2,) if data.events else (1, 3)
        require(
            data.channels in wanted, f"has {data.channels} channels; corruptions need {' or '.join(map(str, wanted))}"
        )
        require(data.binning or not data.events, "has event frames and does not say in `binning` how they were made")
        require(data.classes >= 2, f"has {data.classes} classes")
        require(len(data.class_names) in (0, data.classes), f"names {len(data.class_names)} of {data.classes} classes")
        counts = data.mean == (0.0, 0.0) and data.std == (1.0, 1.0)
        require(counts or not data.events, "event frames are not normalised: mean is 0 and std 1 for both polarities")
        for what, values in {"mean": data.mean, "std": data.std}.items():
            require(len(values) == data.channels, f"{what} has {len(values)} entries for {data.channels} channels")
            positive = data.events or all(isfinite(value) and 0.0 < value <= 1.0 for value in values)
            require(positive, f"{what} must be positive, at most 1, by channel on [0, 1]; it is {values}")
        require(len(data.fingerprint) == 64, "the fingerprint is no sha256 in hexadecimal; see fingerprint()")

    def test_images(self) -> None:
        """float32 (C, H, W) in [0, 1], or counts (F, C, H, W); not all alike; the same when fetched again."""
        data = self.whole
        for split, samples in self.splits().items():
            rows = torch.arange(min(LOOKED_AT, len(samples)))
            images = samples.images(rows)
            wanted = (len(rows), *([data.frames] if data.events else []), data.channels, data.height, data.width)
            require(tuple(images.shape) == wanted, f"{split}: images are {tuple(images.shape)}, expected {wanted}")
            require(images.dtype == torch.float32, f"{split}: images are {images.dtype}, expected float32")
            legal = bool((images >= 0.0).all()) and bool(
                (images == images.round() if data.events else images <= 1.0).all()
            )
            what = "counts are not whole and non-negative" if data.events else "pixels leave [0, 1]"
            require(legal, f"{split}: {what}: {float(images.min()):g} to {float(images.max()):g}")
            require(bool((images[:1] != images[1:]).any()) or len(rows) < 2, f"{split}: all images are the same")
            back = samples.images(rows.flip(0)).flip(0)
            require(torch.equal(back, images), f"{split}: an image changes with the order in which it is fetched")

    def test_labels(self) -> None:
        """int64 in 0..K-1, and every class in the training samples."""
        data = self.whole
        for split, samples in self.splits().items():
            require(len(samples), f"{split} is empty")
            low, high = int(samples.labels.min()), int(samples.labels.max())
            require(low >= 0 and high < data.classes, f"{split}: labels {low}..{high} for {data.classes} classes")
        missing = data.classes - len(data.train.labels.unique())
        require(not missing, f"{missing} classes have no training sample")

    def test_ids(self) -> None:
        """Unique within a split, and no id in two of them."""
        seen: dict[int, str] = {}
        for split, samples in self.splits().items():
            ids = samples.ids.tolist()
            require(len(set(ids)) == len(ids), f"{split}: {len(ids) - len(set(ids))} ids are there twice")
            shared = [name for name in map(seen.get, ids) if name is not None]
            require(not shared, f"{len(shared)} ids of {split} are in {shared[:1]} as well: splits must be disjoint")
            seen |= dict.fromkeys(ids, split)

    def test_loads_the_same_again(self) -> None:
        """A second load gives the same ids, labels, images and fingerprint."""
        first, second = self.whole, self.load()
        require(first.fingerprint == second.fingerprint, "two loads give different fingerprints")
        again = self.splits(second)
        for split, samples in self.splits().items():
            other = again[split]
            require(samples.digest() == other.digest(), f"{split}: two loads give other ids, labels or orders")
            rows = torch.arange(min(LOOKED_AT, len(samples)))
            require(torch.equal(samples.images(rows), other.images(rows)), f"{split}: two loads give other images")

    def test_limit(self) -> None:
        """``limit`` and ``train_limit`` give the first samples of a fixed order, and change nothing else."""
        taken = datasets.get(self.component).parameters.model_fields
        for parameter, split in {"limit": "test", "train_limit": "train"}.items():
            whole = self.splits()[split]
            if parameter not in taken or len(whole) < 2:
                continue
            for count in {1, len(whole) // 2, len(whole) - 1}:
                data = self.load(**{parameter: count})
                part, rows = self.splits(data)[split], torch.arange(min(count, LOOKED_AT))
                what = f"{parameter}={count}"
                require(len(part) == count, f"{what} gives {len(part)} samples")
                prefix = torch.equal(part.ids, whole.ids[:count]) and torch.equal(part.labels, whole.labels[:count])
                require(prefix, f"{what} is no prefix of the whole set's order")
                require(torch.equal(part.images(rows), whole.images(rows)), f"{what} shows other images")
                require(part.digest() != whole.digest(), f"{what} has the digest of the whole set")
                require(data.fingerprint == self.whole.fingerprint, f"{what} changes the fingerprint")
                require(data.mean == self.whole.mean and data.std == self.whole.std, f"{what} changes mean or std")

    def test_subsets(self) -> None:
        """A subset holds the ids, labels and images of its rows."""
        for split, samples in self.splits().items():
            rows = torch.tensor([len(samples) - 1, 0])
            part = samples.subset(rows)
            same = torch.equal(part.ids, samples.ids[rows]) and torch.equal(part.labels, samples.labels[rows])
            images = torch.equal(part.images(torch.arange(2)), samples.images(rows))
            require(same and images, f"{split}: subset() gives other samples than those of its rows")


def check_dataset(component: str, **parameters: Any) -> list[CheckResult]:
    """Runs every check of :class:`DatasetConformance`; one result a check, in alphabetical order.

    Args:
        component: a registered name.
        **parameters: YAML parameters to load it with, such as ``root``.
    """
    return check_component(DatasetConformance, "dataset", component, parameters)

"""The dataset of a published table again: found by what its records hold, the hashes of images, ids and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.registry import datasets
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.store.records import Record


def rebuilt_dataset(
    protocol: Mapping[str, Any], samples: int, trainings: Sequence[Record], stated: ComponentSpec | None = None
) -> ComponentSpec:
    """The dataset of a protocol with the limits that give its test and training samples.

    Records hold the hashes of a dataset's content and samples, not its parameters. Limits take the first samples of
    a fixed order, so that they can be found; any other parameter has to be stated.

    Args:
        protocol: of the published table.
        samples: number of its test samples.
        trainings: records of the trainings whose training samples are meant.
        stated: the dataset with parameters, where somebody says more than its name.

    Raises:
        UserError: if what is stated contradicts the protocol, or the dataset cannot be found by its hashes.
    """
    name, wanted = protocol["dataset"]["name"], protocol["dataset"]["fingerprint"]
    parameters = dict(stated.parameters) if stated else {}
    if stated is not None and stated.name != name:
        raise UserError(f"dataset: the suite says {stated.name}, the table has {name}")
    dataset = load_dataset(name, **parameters)
    if dataset.fingerprint != wanted:
        raise UserError(
            f"dataset: {name} as it is here has the fingerprint {dataset.fingerprint[:12]}, the table's has "
            f"{wanted[:12]}: other files, or other parameters; state the dataset with its parameters"
        )
    if dataset.test.digest() != protocol["samples"]:
        if "limit" in parameters or _first(dataset.test, samples) != protocol["samples"]:
            raise UserError(
                f"dataset: the suite gives {len(dataset.test)} test samples ({dict(parameters) or 'all'}), the table "
                f"has {samples} others; leave limit out, or state the table's"
            )
        parameters["limit"] = samples
    digests = {record.identity["samples"] for record in trainings if "samples" in record.identity}
    if len(digests) == 1 and dataset.train.digest() not in digests:
        parameters |= _training_choice(name, parameters, digests, trainings, len(dataset.train))
    return ComponentSpec(name=name, parameters=parameters)


def _training_choice(
    name: str, parameters: Mapping[str, Any], digests: set[str], trainings: Sequence[Record], here: int
) -> dict[str, Any]:
    """What else chooses the training samples: how many there are, and whether some are held out for validation."""
    limit = None
    held = {"validation": 0.0} if "validation" in datasets.get(name).parameters.model_fields else {}
    for more in ({}, {key: value for key, value in held.items() if key not in parameters}):
        train = load_dataset(name, **parameters, **more).train
        if train.digest() in digests:
            return more
        limit = limit or next((n for n in _training_sizes(trainings) if _first(train, n) in digests), None)
        if limit is not None and "train_limit" not in parameters:
            return more | {"train_limit": limit}
    raise UserError(
        f"dataset: the suite gives {here} training samples, the table's models were trained on others "
        f"({limit or 'how many cannot be told'}); state train_limit, and whatever else chooses them"
    )


def _first(samples: Samples, count: int) -> str | None:
    return samples.first(count).digest() if count <= len(samples) else None


def _training_sizes(trainings: Sequence[Record]) -> list[int]:
    """How many training samples there may have been: whole batches, and less than one more."""
    found: set[int] = set()
    for record in trainings:
        if history := record.details.get("history"):
            images, batch = int(history[0]["images"]), int(record.identity["recipe"]["batch_size"])
            found |= set(range(images, images + batch))
    return sorted(found)

"""From a suite to its cells: what is to be trained, and what is to be evaluated on what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustbench_snn.errors import UserError, shortened
from robustbench_snn.parameters import pixels_text
from robustbench_snn.plan.cells import Cell, EvaluateCell, TrainCell
from robustbench_snn.plan.keys import content_key, listed, resolved, resolved_evaluation, versions
from robustbench_snn.reading import check_file
from robustbench_snn.registry import backbones, encoders, evaluations, models
from robustbench_snn.registry.spec import ComponentSpec, named_in
from robustbench_snn.spec.entry import ClassifierEntry, Entry, PluginEntry
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.weights.tensors import MOST_BYTES

if TYPE_CHECKING:
    from robustbench_snn.dataset import Dataset
    from robustbench_snn.dataset.samples import Samples
    from robustbench_snn.evaluation.contract import Evaluation


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``count`` parts, from 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True)
class Plan:
    """All cells of a suite.

    Attributes:
        suite: the suite.
        dataset: its dataset.
        train: one cell a model and seed.
        evaluate: one cell a model, seed and part of an evaluation, in the order of ``train``.
        protocol: what two entries must share for their numbers to compare: data, samples, seed, and evaluations
            with their labels; ``subsets`` are the samples of evaluations that take only some, by how many.
        shard: which part of the suite's cells these are; None for all.
    """

    suite: SuiteSpec
    dataset: Dataset
    train: tuple[TrainCell, ...]
    evaluate: tuple[EvaluateCell, ...]
    protocol: Mapping[str, Any]
    shard: Shard | None = None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, trainings first."""
        return (*self.train, *self.evaluate)

    @cached_property
    def places(self) -> dict[Cell, int]:
        """Where every cell stands among all of them: how processes that made the same plan name one to each other."""
        return {cell: place for place, cell in enumerate(self.cells)}

    @cached_property
    def protocol_hash(self) -> str:
        """sha256 of the protocol."""
        return content_key(**self.protocol)

    @cached_property
    def digest(self) -> str:
        """sha256 of all that the cells' keys are made of: equal where data, suite and versions of components are."""
        return content_key(protocol=self.protocol, trainings=[cell.identity for cell in self.train])

    @cached_property
    def suite_sha256(self) -> str:
        """sha256 of the suite with all its settings, for provenance."""
        return hashlib.sha256(self.suite.model_dump_json().encode()).hexdigest()

    def count_of(self, cell: EvaluateCell) -> int:
        """How many test samples an evaluation takes."""
        return min(cell.component.limit or len(self.dataset.test), len(self.dataset.test))

    def samples_of(self, cell: EvaluateCell) -> Samples:
        """The test samples of an evaluation: all, or the first of their fixed order."""
        return self.dataset.test.first(cell.component.limit)

    def evaluations_of(self, cell: TrainCell) -> list[EvaluateCell]:
        """The evaluations of one trained model."""
        return self._by_training.get(cell, [])

    @cached_property
    def _by_training(self) -> dict[TrainCell, list[EvaluateCell]]:
        found: dict[TrainCell, list[EvaluateCell]] = {}
        for cell in self.evaluate:
            found.setdefault(cell.train, []).append(cell)
        return found

    def peers_of(self, cell: EvaluateCell) -> list[TrainCell]:
        """The suite's other models, for an evaluation that asks for them; else none."""
        return [found for found in self.train if found is not cell.train] if cell.needs_peers else []

    def models_behind(self, cell: EvaluateCell) -> list[TrainCell]:
        """The models whose weights can change an evaluation's result: its own, then the peers that it uses."""
        if not cell.needs_peers:
            return [cell.train]
        place = cell.entry, cell.part  # the same evaluation for every model, and it is only asked
        if place not in self._asked:
            self._asked[place] = cell.evaluation()
        evaluation = self._asked[place]
        return [cell.train, *(peer for peer in self.peers_of(cell) if evaluation.uses(peer.peer_name))]

    @cached_property
    def _asked(self) -> dict[tuple[int, int], Evaluation]:
        return {}


def make_plan(suite: SuiteSpec, dataset: Dataset) -> Plan:
    """Lists every cell of a suite, with all that its key depends on.

    Raises:
        UserError: if a file of weights cannot be read.
    """
    data = {"name": dataset.name, "fingerprint": dataset.fingerprint}
    whole = {"samples": dataset.test.digest(), "dataset": data, "seed": suite.evaluation_seed}
    limits = {component.limit for component in suite.evaluations if component.limit is not None}
    subsets = {limit: dataset.test.first(limit).digest() for limit in sorted(limits)}
    shared = [whole | {"samples": subsets.get(found.limit or 0, whole["samples"])} for found in suite.evaluations]
    train = tuple(_train_cells(suite.entries(), data, dataset))
    parts = [part for index, found in enumerate(suite.evaluations) for part in _parts(index, found, shared[index])]
    evaluate = tuple(part.of(cell) for cell in train for part in parts)
    protocol = {"dataset": data, **whole, "evaluations": [listed(component) for component in suite.evaluations]}
    if subsets:
        protocol["subsets"] = {str(limit): digest for limit, digest in subsets.items()}
    return Plan(suite, dataset, train, evaluate, protocol)


def _train_cells(entries: Iterable[Entry], data: Mapping[str, Any], dataset: Dataset) -> Iterator[TrainCell]:
    from robustbench_snn.training import resolve_recipe

    samples = cache(dataset.train.digest)
    for entry in entries:
        identity: dict[str, Any] = {"model": _model_identity(entry), "dataset": data}
        if isinstance(entry, ClassifierEntry) and entry.weights is not None:
            identity |= {"weights_file": hash_file(entry.weights)}
        elif isinstance(entry, ClassifierEntry):
            recipe = resolve_recipe(entry.recipe)
            components = versions(named_in(recipe))
            identity |= {"samples": samples(), "recipe": recipe.model_dump(mode="json"), "components": components}
        is_trained = "recipe" in identity
        for seed in entry.seeds:
            yield TrainCell(entry, seed, identity | {"seed": seed} if is_trained else identity)


@dataclass(frozen=True)
class _Part:
    """One part of an evaluation, of which every trained model gets a cell."""

    entry: int
    component: ComponentSpec
    identity: Mapping[str, Any]
    number: int
    detail: str
    needs_peers: bool

    def of(self, train: TrainCell) -> EvaluateCell:
        identity = {**self.identity, "model": train.identity["model"]}
        return EvaluateCell(train, self.entry, self.component, identity, self.number, self.detail, self.needs_peers)


def parts_of(component: ComponentSpec) -> list[ComponentSpec]:
    """The entries that an evaluation is cut into, each of which is computed and kept apart."""
    evaluation = evaluations.get(component.name)
    parts = evaluation.implementation.split(evaluation.validate(component.parameters))
    return [component.model_copy(update={"parameters": dict(parameters)}) for parameters in parts]


def _parts(index: int, component: ComponentSpec, shared: Mapping[str, Any]) -> Iterator[_Part]:
    evaluation = evaluations.get(component.name)
    whole = evaluation.validate(component.parameters)
    pixels = evaluation.declaration.traits.takes != "events"
    for number, piece in enumerate(parts_of(component)):
        identity = {"evaluation": resolved_evaluation(piece), **shared}
        needs_peers = piece.create("evaluations").needs_peers
        yield _Part(index, piece, identity, number, _difference(piece.parameters, whole, pixels), needs_peers)


def _difference(part: Mapping[str, Any], whole: Mapping[str, Any], pixels: bool) -> str:
    """The values of a part that are not those of the whole entry: ``fog``, ``8/255``, or of events a plain 0.5."""
    found = {name: value for name, value in part.items() if value != whole.get(name) and not isinstance(value, bool)}
    single = {name: value[0] if isinstance(value, list) and len(value) == 1 else value for name, value in found.items()}
    return ", ".join(
        pixels_text(value) if pixels and name == "eps" and isinstance(value, float) else str(value)
        for name, value in single.items()
    )


def _model_identity(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, PluginEntry):
        return {"model": resolved(entry.model, models), "timesteps": entry.timesteps}
    return {
        "encoder": resolved(entry.encoder, encoders),
        "backbone": resolved(entry.backbone, backbones),
        "readout": entry.readout,
        "timesteps": entry.timesteps,
    }


def hash_file(path: str) -> str:
    """sha256 of a file.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        check_file(Path(path), MOST_BYTES)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"weights {shortened(path)} cannot be read: {error.strerror or error}") from None

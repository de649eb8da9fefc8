"""From a suite to its cells: what is to be trained, and what is to be evaluated on what."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from robustbench_snn.errors import UserError
from robustbench_snn.plan.identity import resolved
from robustbench_snn.registry import evaluations
from robustbench_snn.registry.spec import ComponentSpec
from robustbench_snn.spec.suite import ModelSpec, SuiteSpec
from robustbench_snn.store.records import content_key

if TYPE_CHECKING:
    from robustbench_snn.dataset import Dataset
    from robustbench_snn.training import Recipe


@dataclass(frozen=True)
class TrainCell:
    """Train one model with one seed (or take the weights that the suite names).

    Attributes:
        model: the entry, with the suite's settings filled in.
        seed: training seed.
        identity: everything that can change the weights.
    """

    model: ModelSpec
    seed: int
    identity: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The content key."""
        return content_key(kind="train", **self.identity)

    @property
    def title(self) -> str:
        """For progress and messages."""
        return f"train {self.model.name}, seed {self.seed}"

    @property
    def peer_name(self) -> str:
        """By which evaluations of the suite's other models know it."""
        return f"{self.model.name}@{self.seed}"


@dataclass(frozen=True)
class EvaluateCell:
    """Run one evaluation, or one part of it, on one trained model.

    Attributes:
        train: the model.
        entry: which of the suite's evaluations this belongs to.
        component: the evaluation with this part's parameters.
        identity: everything that can change the result, but for the weights.
        part: which of the entry's parts.
        detail: what sets this part apart from the others, for people.
    """

    train: TrainCell
    entry: int
    component: ComponentSpec
    identity: Mapping[str, Any]
    part: int = 0
    detail: str = ""

    def key(self, weights_sha256: str, peers: Mapping[str, str] | None = None) -> str:
        """The content key, known once the model is trained.

        Args:
            weights_sha256: of the model's weights.
            peers: of the other models' weights by name, for evaluations that use them.
        """
        return content_key(kind="evaluate", weights=weights_sha256, peers=dict(peers or {}), **self.identity)

    @property
    def needs_peers(self) -> bool:
        """Whether the suite's other models must be trained first."""
        return bool(evaluations.create(self.component.name, **self.component.parameters).needs_peers)

    @property
    def title(self) -> str:
        """For progress and messages."""
        what = f"{self.component.label or self.component.name} {self.detail}".strip()
        return f"{what} on {self.train.model.name}, seed {self.train.seed}"


@dataclass(frozen=True)
class Plan:
    """All cells of a suite, models first within each row."""

    suite: SuiteSpec
    dataset: Dataset
    train: tuple[TrainCell, ...]
    evaluate: tuple[EvaluateCell, ...]
    protocol: Mapping[str, Any]

    @property
    def protocol_hash(self) -> str:
        """sha256 of what two entries must share for their numbers to compare: data, samples, evaluations, seed."""
        return content_key(**self.protocol)

    def evaluations_of(self, cell: TrainCell) -> list[EvaluateCell]:
        """The evaluations of one trained model."""
        return [found for found in self.evaluate if found.train is cell]


def make_plan(suite: SuiteSpec, dataset: Dataset) -> Plan:
    """Lists every cell of a suite, with all that its key depends on."""
    from robustbench_snn.training import resolve_recipe

    data = {"name": dataset.name, "fingerprint": dataset.fingerprint}
    test = dataset.test.digest()
    protocol = {
        "dataset": data,
        "samples": test,
        "seed": suite.evaluation_seed,
        "evaluations": [resolved(component, "evaluations") for component in suite.evaluations],
    }
    train_cells, evaluate_cells = [], []
    for model in suite.entries():
        assert model.recipe is not None
        assert model.seeds is not None
        recipe = resolve_recipe(model.recipe)
        for seed in model.seeds if _is_trained(model) else model.seeds[:1]:
            train = TrainCell(model, seed, _train_identity(model, seed, data, dataset, recipe))
            train_cells.append(train)
            for index, component in enumerate(suite.evaluations):
                target = evaluations.get(component.name).target
                whole = _parameters(component)
                for part, parameters in enumerate(target.split(whole)):
                    piece = component.model_copy(update={"parameters": dict(parameters)})
                    identity = {
                        "evaluation": resolved(piece, "evaluations"),
                        "samples": test,
                        "dataset": data,
                        "seed": suite.evaluation_seed,
                        "model": _model_identity(model),
                    }
                    detail = _difference(parameters, whole)
                    evaluate_cells.append(EvaluateCell(train, index, piece, identity, part, detail))
    return Plan(suite, dataset, tuple(train_cells), tuple(evaluate_cells), protocol)


def _is_trained(model: ModelSpec) -> bool:
    return model.model is None and model.weights is None


def _parameters(component: ComponentSpec) -> dict[str, Any]:
    return evaluations.get(component.name).validate(component.parameters)


def _difference(part: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """The values of a part that are not those of the whole entry: ``fog``, ``0.03``."""
    values = [value for name, value in part.items() if value != whole.get(name) and not isinstance(value, bool)]
    return ", ".join(str(value[0]) if isinstance(value, list) and len(value) == 1 else str(value) for value in values)


def _model_identity(model: ModelSpec) -> dict[str, Any]:
    if model.model is not None:
        return {"model": resolved(model.model, "models"), "timesteps": model.timesteps}
    assert model.encoder is not None
    assert model.backbone is not None
    return {
        "encoder": resolved(model.encoder, "encoders"),
        "backbone": resolved(model.backbone, "backbones"),
        "readout": model.readout,
        "timesteps": model.timesteps,
    }


def _train_identity(
    model: ModelSpec, seed: int, data: Mapping[str, Any], dataset: Dataset, recipe: Recipe
) -> dict[str, Any]:
    identity: dict[str, Any] = {"model": _model_identity(model), "dataset": data}
    if model.weights is not None:
        return identity | {"weights_file": hash_file(model.weights)}
    if model.model is not None:
        return identity
    return identity | {"samples": dataset.train.digest(), "recipe": recipe.model_dump(mode="json"), "seed": seed}


def hash_file(path: str) -> str:
    """sha256 of a file.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"weights {path} cannot be read: {error.strerror}") from None

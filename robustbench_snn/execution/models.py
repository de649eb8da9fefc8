"""The models of a plan: built, and loaded with the weights that their trainings left."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from robustbench_snn.errors import StoreError
from robustbench_snn.execution.building import build_checked, build_plugin_model
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.model.classifier import Classifier
from robustbench_snn.model.target import Target
from robustbench_snn.model.task import Task
from robustbench_snn.plan.cells import TrainCell
from robustbench_snn.plan.keys import key_of
from robustbench_snn.plan.plan import Plan
from robustbench_snn.registry import models
from robustbench_snn.spec.entry import ClassifierEntry, PluginEntry
from robustbench_snn.store.store import Store
from robustbench_snn.weights.loading import load_normalized_weights
from robustbench_snn.weights.tensors import tensor_digest

KEPT_LOADED = 4
"""How many trained models stay loaded at once: an evaluation may need its peers again and again."""


class TrainedModels:
    """Builds the models of a plan, and loads those that are trained.

    Args:
        plan: its cells name the models.
        store: has the weights.
        settings: device and checkpointing.
    """

    def __init__(self, plan: Plan, store: Store, settings: RunSettings) -> None:
        self._plan = plan
        self._store = store
        self._settings = settings
        self._loaded: dict[str, Target] = {}

    def task(self, cell: TrainCell) -> Task:
        """What a model is asked to do."""
        return self._plan.dataset.task(cell.model.timesteps)

    def classifier(self, entry: ClassifierEntry, cell: TrainCell) -> Classifier:
        """An encoder on a backbone, its weights drawn from the cell's seed."""
        torch.manual_seed(cell.seed)
        return build_checked(entry.encoder, entry.backbone, self.task(cell), entry.readout)

    def plugin_model(self, entry: PluginEntry, cell: TrainCell) -> nn.Module:
        """A plug-in's model; what it draws follows from the cell's seed."""
        torch.manual_seed(cell.seed)
        return build_plugin_model(entry.model, self.task(cell))

    def target(self, cell: TrainCell) -> Target:
        """The trained model on the device; the last :data:`KEPT_LOADED` stay loaded.

        Raises:
            StoreError: if its weights are missing or damaged.
        """
        key = key_of(cell)
        if key not in self._loaded:
            loaded = self._load(cell, key)
            while len(self._loaded) >= KEPT_LOADED:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[key] = loaded
        return self._loaded[key]

    def untrained(self, cell: TrainCell) -> Target:
        """The model on the device as it is before its training, with the weights that the suite names, if any.

        Raises:
            StoreError: if the file of these weights is missing or damaged.
            UserError: if the model cannot be built, or the weights are another's.
        """
        if isinstance(cell.model, PluginEntry):
            return self._target(self.plugin_model(cell.model, cell), cell)
        classifier = self.classifier(cell.model, cell)
        if cell.model.weights is not None:
            load_normalized_weights(classifier, cell.model.weights)
        return self._target(classifier, cell)

    def _load(self, cell: TrainCell, key: str) -> Target:
        if isinstance(cell.model, PluginEntry):
            model = self.plugin_model(cell.model, cell)
            self.check_weights(model, cell)
            return self._target(model, cell)
        classifier = self.classifier(cell.model, cell)
        load_normalized_weights(classifier, self._store.weights(key))
        return self._target(classifier, cell)

    def _target(self, model: nn.Module, cell: TrainCell) -> Target:
        stochastic = timesteps = None  # a classifier says these itself
        if isinstance(cell.model, PluginEntry):
            traits = models.get(cell.model.model.name).declaration.traits
            stochastic, timesteps = bool(traits.stochastic), cell.model.timesteps if traits.raw else None
        model = model.to(self._settings.device).eval()
        checkpointing = self._settings.checkpointing
        return Target(model, stochastic=stochastic, checkpointing=checkpointing, timesteps=timesteps)

    def check_weights(self, model: nn.Module, cell: TrainCell) -> None:
        """A plug-in's model is built anew by every run: it must be the one whose weights are in the record.

        Raises:
            StoreError: if it is another, or there is no record.
        """
        record = self._store.get(key_of(cell))
        found, expected = tensor_digest(model.state_dict()), record.weights_sha256 if record else None
        if found != expected:
            raise StoreError(
                f"{cell.model.name}: the plug-in builds other weights (sha256 {found[:12]}) than its record has "
                f"({str(expected)[:12]}). If its file of weights was replaced, run with --fresh to evaluate the new "
                "ones; if it draws weights from another generator than torch's global one, which is seeded before it "
                "is built, seed that in the plug-in"
            )


def weights_of(cells: Iterable[TrainCell], store: Store) -> dict[str, str]:
    """sha256 of the models' weights by ``model@seed``; models that are not trained are left out."""
    records = {cell.peer_name: store.get(key_of(cell)) for cell in cells}
    return {name: record.weights_sha256 for name, record in records.items() if record and record.weights_sha256}

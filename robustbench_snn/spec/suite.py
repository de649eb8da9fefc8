"""The suite file, validated: what is trained, what it is tested with, what table comes of it.

:mod:`robustbench_snn.spec.files` reads a file into these types; component parameters are checked there too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from robustbench_snn.evaluation.borrowed import borrowed
from robustbench_snn.parameters import Readout
from robustbench_snn.registry.spec import ComponentSpec, WrittenComponent, WrittenEvaluation
from robustbench_snn.spec.entry import ClassifierEntry, Entry, PluginEntry
from robustbench_snn.spec.resources import Resources
from robustbench_snn.strict import Strict


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _different(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if twice := _repeated(seeds):
        raise ValueError(f"seeds must differ; used more than once: {twice}")
    return seeds


def _repeated(items: Iterable[object]) -> str:
    """The items that are there more than once, for a message; empty if none is."""
    return ", ".join(str(item) for item, count in Counter(items).items() if count > 1)


RecipeValues = Annotated[Mapping[str, Any], BeforeValidator(_named)]
"""A shipped recipe's name, or a mapping with values that replace its own (``{name: spikformer_cifar, epochs: 2}``)."""

MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+ -]{0,199}$"
TABLE_NAME = r"^[a-z0-9][a-z0-9_-]{0,99}$"
MOST_MODELS = 10_000
"""Of one suite."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Seeds = Annotated[
    tuple[Seed, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(_different)
]
Timesteps = Annotated[int, Field(ge=1, le=1024)]


class ModelSpec(Strict):
    """One entry of the leaderboard: an encoder on a backbone, or a whole model from a plug-in.

    Attributes:
        name: the row's name; unique.
        encoder: the spike encoder.
        backbone: the backbone; the suite's if left out.
        model: a registered model (``@register_model``) instead of encoder and backbone.
        timesteps: T at training; the suite's if left out.
        readout: logits of the steps to one answer; the backbone's own if left out.
        recipe: the training recipe; the suite's if left out.
        seeds: one model is trained for each; the suite's if left out.
        weights: a safetensors file to evaluate instead of training.
    """

    name: str = Field(pattern=MODEL_NAME)
    encoder: WrittenComponent | None = None
    backbone: WrittenComponent | None = None
    model: WrittenComponent | None = None
    timesteps: Timesteps | None = None
    readout: Readout | None = None
    recipe: RecipeValues | None = None
    seeds: Seeds | None = None
    weights: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> ModelSpec:
        if (self.encoder is None) == (self.model is None):
            raise ValueError("a model has either an encoder or a model: from a plug-in")
        settings = {"backbone": self.backbone, "readout": self.readout, "recipe": self.recipe, "weights": self.weights}
        if self.model is not None and (unused := [name for name, value in settings.items() if value is not None]):
            raise ValueError(f"a model: from a plug-in is evaluated as it comes; leave out {', '.join(unused)}")
        return self


class GridSpec(Strict):
    """Every encoder on every backbone at every T, as models named after what they differ in."""

    encoders: tuple[WrittenComponent, ...] = Field(min_length=1)
    backbones: tuple[WrittenComponent, ...] = Field(default=(), description="the suite's backbone if left out")
    timesteps: tuple[Timesteps, ...] = Field(default=(), description="the suite's timesteps if left out")

    @model_validator(mode="after")
    def _bounded(self) -> GridSpec:
        count = len(self.encoders) * max(1, len(self.backbones)) * max(1, len(self.timesteps))
        if count > MOST_MODELS:
            raise ValueError(f"a grid of {count} models; at most {MOST_MODELS} are made")
        return self

    def models(self) -> list[ModelSpec]:
        """The grid's models, encoders outermost."""
        found = []
        for encoder in self.encoders:
            for backbone in self.backbones or (None,):
                for timesteps in self.timesteps or (None,):
                    parts = [encoder.title]
                    if backbone is not None and len(self.backbones) > 1:
                        parts.append(backbone.title)
                    if len(self.timesteps) > 1:
                        parts.append(f"T{timesteps}")
                    found.append(
                        ModelSpec(name=" ".join(parts), encoder=encoder, backbone=backbone, timesteps=timesteps)
                    )
        return found


class TableSpec(Strict):
    """How the leaderboard is made.

    Attributes:
        name: folder under results/; the suite's name if left out.
        title: heading; the suite's name if left out.
        dataset_title: what the pages call the data, where the dataset is only a format (``parquet``,
            ``image_folder``); no key and no protocol depends on it.
        baseline: name of the model that the others are compared with, pair by pair on the same samples.
        confidence: of every interval.
        correction: of the p-values, over all comparisons of the table.
        weights: true puts the trained weights beside the published numbers; a text says where they are, and nothing
            is ever fetched from there.
        reported: sets of numbers that papers report (``rbsnn list reported``, or paths of files that end in .yaml),
            shown beside the measured ones; no key and no protocol depends on them.
    """

    name: str | None = Field(default=None, pattern=TABLE_NAME)
    title: str | None = None
    dataset_title: str | None = Field(default=None, min_length=1)
    baseline: str | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1.0)
    correction: Literal["holm", "benjamini-hochberg"] = "holm"
    weights: bool | str = False
    reported: tuple[str, ...] = ()


class SuiteSpec(Strict):
    """A whole suite file.

    Attributes:
        name: lower-case; names the table unless ``table.name`` does.
        description: one line for the leaderboard.
        dataset: the data, with its parameters (``root``, ``limit``, ...).
        timesteps: T of every model that does not say otherwise.
        backbone: backbone of every model that does not say otherwise.
        recipe: training of every model that does not say otherwise.
        seeds: training seeds of every model that does not say otherwise.
        evaluation_seed: the seed of attacks, corruptions and random encoders at evaluation.
        models: the entries of the leaderboard.
        grid: more entries, as a product.
        evaluations: what every model is tested with; ``diagnostics`` without an eps takes that of the first attack
            among them that states one, the first of a list, and its norm.
        table: how the leaderboard is made.
        resources: what a cell takes of a cluster; no key depends on it.
    """

    name: str = Field(pattern=TABLE_NAME)
    description: str = ""
    dataset: WrittenComponent = ComponentSpec(name="digits")
    timesteps: Timesteps = 4
    backbone: WrittenComponent = ComponentSpec(name="spikformer")
    recipe: RecipeValues = Field(default={"name": "digits_quick"})
    seeds: Seeds = (0,)
    evaluation_seed: Seed = 0
    models: tuple[ModelSpec, ...] = Field(default=(), max_length=MOST_MODELS)
    grid: GridSpec | None = None
    evaluations: tuple[WrittenEvaluation, ...] = Field(min_length=1)
    table: TableSpec = TableSpec()
    resources: Resources = Field(default=Resources(), exclude=True)  # of no key, nor hash

    @field_validator("evaluations")
    @classmethod
    def _complete(cls, evaluations: tuple[ComponentSpec, ...]) -> tuple[ComponentSpec, ...]:
        """What is taken from other evaluations is part of the suite, and so of keys, as if it had been written."""
        return borrowed(evaluations)

    @model_validator(mode="after")
    def _consistent(self) -> SuiteSpec:
        names = [model.name for model in self.entries()]
        if not names:
            raise ValueError("a suite needs models: (a list) or grid: (a product of encoders)")
        if twice := _repeated(names):
            raise ValueError(f"model names must differ; used more than once: {twice}")
        if self.table.baseline is not None and self.table.baseline not in names:
            raise ValueError(f"table.baseline '{self.table.baseline}' is none of the models: {', '.join(names)}")
        if twice := _repeated(self.evaluation_labels):
            raise ValueError(f"evaluations of one kind need a label: each; used more than once: {twice}")
        return self

    @property
    def table_name(self) -> str:
        """The folder of the table under results/."""
        return self.table.name or self.name

    @property
    def evaluation_labels(self) -> list[str]:
        """Headings of the table's columns: one an evaluation, in order."""
        return [evaluation.title for evaluation in self.evaluations]

    def entries(self) -> list[Entry]:
        """All models, with the suite's settings filled in where a model says nothing."""
        return [self._filled(model) for model in self._listed()]

    def with_seeds(self, seeds: Mapping[str, Sequence[int]]) -> SuiteSpec:
        """The suite with these training seeds by model; a model without any is left out, even if none remains."""
        own = [(model, tuple(seeds.get(model.name, ()))) for model in self._listed()]
        models = tuple(model.model_copy(update={"seeds": wanted}) for model, wanted in own if wanted)
        return self.model_copy(update={"models": models, "grid": None})

    def _listed(self) -> tuple[ModelSpec, ...]:
        return (*self.models, *(self.grid.models() if self.grid else ()))

    def _filled(self, model: ModelSpec) -> Entry:
        timesteps, seeds = model.timesteps or self.timesteps, model.seeds or self.seeds
        if model.model is not None:
            return PluginEntry(name=model.name, model=model.model, timesteps=timesteps, seeds=seeds[:1])
        assert model.encoder is not None  # as ModelSpec has made sure
        return ClassifierEntry(
            name=model.name,
            encoder=model.encoder,
            backbone=model.backbone or self.backbone,
            readout=model.readout,
            timesteps=timesteps,
            recipe=model.recipe or self.recipe,
            seeds=seeds if model.weights is None else seeds[:1],
            weights=model.weights,
        )

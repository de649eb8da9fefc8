"""Everything about a training that can change its weights, besides model, data and seed."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    PositiveFloat,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from robustbench_snn.parameters import Count
from robustbench_snn.strict import Strict
from robustbench_snn.training.adversarial import AdversarialConfig

Epochs = Annotated[int, Field(ge=0, le=1_000_000)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
_RAND_AUGMENT = re.compile(r"rand(-(m\d{1,3}|n\d{1,3}|p\d(\.\d{1,9})?|mstd\d{1,3}(\.\d{1,9})?|mmax\d{1,3}|inc[01]))*")


class Recipe(Strict):
    """A training recipe; the defaults are a plain one, the published ones are shipped by name.

    Augmentation stays in raw pixels on [0, 1], because encoders normalise; it applies to training images only, in
    this order: crop, flip, RandAugment, mixup or CutMix, random erasing.

    Attributes:
        epochs: passes over the training images, warm-up included, cool-down not.
        batch_size: images a step; a smaller last batch is left out. Even, if images are mixed.
        accumulate: parts that a batch is computed in, one after another, where memory is short; must divide
            ``batch_size``. The optimizer takes one step a batch whatever it is, and its gradient is that of the whole
            batch; but a batch norm takes its statistics from each part.
        processes: how many processes train the one model together, each on its share of every batch and, with
            ``--device cuda``, on a GPU of its own; must divide ``batch_size / accumulate`` (twice over where images
            are mixed). The mathematics are those of one process; the last bits of the weights are not.
        optimizer: ``adamw`` (Loshchilov and Hutter, 2019, arXiv:1711.05101), ``sgd`` (with ``momentum``) or ``adam``.
            Weight decay spares biases, norms and all else of one dimension, as timm does.
        lr: peak learning rate.
        weight_decay: factor of the weight decay.
        momentum: momentum of ``sgd``; the other optimizers ignore it.
        schedule: ``cosine`` from ``lr`` to ``min_lr`` over ``epochs`` (arXiv:1608.03983), or ``constant``.
        schedule_by: whether the learning rate changes every ``epoch`` or every ``batch``.
        min_lr: learning rate at the end of the cosine and during cool-down.
        warmup_epochs: number of epochs, the first of ``epochs``, in which the rate rises linearly from ``warmup_lr``.
        warmup_lr: learning rate at which the warm-up begins.
        cooldown_epochs: epochs at ``min_lr`` after the cosine.
        loss: ``ce``, cross-entropy of the readout, or ``tet``, the mean over steps of each step's cross-entropy
            (Deng et al., 2022, arXiv:2202.11946, its first term).
        label_smoothing: share of the target spread over all classes.
        mixup: alpha of mixup's beta distribution (arXiv:1710.09412); 0 for none.
        cutmix: alpha of CutMix (arXiv:1905.04899); with both, each batch takes one of them, with equal chance.
        mixup_off_epoch: first epoch without mixup and CutMix; 0 for never.
        randaugment: RandAugment (arXiv:1909.13719) in timm's notation, ``rand-m9-n1-mstd0.4-inc1``; None for none.
        random_erasing: chance that an image loses a rectangle (arXiv:1708.04896), which becomes the mean colour
            (zero after normalisation).
        horizontal_flip: chance of a flip.
        crop_padding: pixels of black around the image before a random crop of its size; 0 for none.
        gradient_clip: largest norm of the gradient over all weights; None for no clipping.
        mixed_precision: ``off``, ``bf16`` or ``fp16`` (CUDA only, with loss scaling).
        adversarial: adversarial training, on the augmented images; None for none.
        threads: CPU threads that the training runs on, whatever the machine has and however many jobs run beside it:
            sums over several threads differ in their last bits, and so would the weights.
    """

    epochs: Count = 100
    batch_size: Count = 128
    accumulate: Count = 1
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    optimizer: Literal["adamw", "sgd", "adam"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 0.0
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    schedule: Literal["cosine", "constant"] = "cosine"
    schedule_by: Literal["epoch", "batch"] = "epoch"
    min_lr: NonNegativeFloat = 0.0
    warmup_epochs: Epochs = 0
    warmup_lr: NonNegativeFloat = 0.0
    cooldown_epochs: Epochs = 0
    loss: Literal["ce", "tet"] = "ce"
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    mixup: NonNegativeFloat = 0.0
    cutmix: NonNegativeFloat = 0.0
    mixup_off_epoch: Epochs = 0
    randaugment: str | None = None
    random_erasing: Probability = 0.0
    horizontal_flip: Probability = 0.0
    crop_padding: Annotated[int, Field(ge=0, le=1024)] = 0
    gradient_clip: PositiveFloat | None = None
    mixed_precision: Literal["off", "bf16", "fp16"] = "off"
    adversarial: AdversarialConfig | None = None
    threads: Annotated[int, Field(ge=1, le=1024)] = 1

    @field_validator("mixed_precision", mode="before")
    @classmethod
    def _read_off(cls, value: object) -> object:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as False

    @field_validator("randaugment")
    @classmethod
    def _check_randaugment(cls, value: str | None) -> str | None:
        if value is not None and not _RAND_AUGMENT.fullmatch(value):
            raise ValueError("RandAugment is written as in timm: rand-m9-n1-mstd0.4-inc1 (m, n, p, mstd, mmax, inc)")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"warmup_epochs ({self.warmup_epochs}) are the first of the epochs: they must be fewer than epochs "
                f"({self.epochs})"
            )
        if self.batch_size % 2 and self.mixes:
            raise ValueError(f"mixup and cutmix need an even batch_size, got {self.batch_size}")
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate ({self.accumulate}) must divide batch_size ({self.batch_size})")
        part, unit = self.batch_size // self.accumulate, self.processes * (2 if self.mixes else 1)
        if self.processes > 1 and part % unit:
            pairs = " times 2, for pairs of mixed images," if self.mixes else ""
            raise ValueError(f"processes ({self.processes}){pairs} must divide batch_size / accumulate ({part})")
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr ({self.min_lr}) must not exceed lr ({self.lr})")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_as_ever(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The values; keys of trainings from before ``accumulate`` and ``processes`` were there hold neither."""
        values: dict[str, Any] = plain(self)
        return {name: value for name, value in values.items() if name not in ("accumulate", "processes") or value != 1}

    @property
    def mixes(self) -> bool:
        """Whether images are mixed, in some epochs at least."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def of_images(self) -> list[str]:
        """Settings in force that are for images, and not for event frames: augmentation and adversarial training."""
        names = (
            "mixup", "cutmix", "randaugment", "random_erasing", "horizontal_flip", "crop_padding", "adversarial"
        )  # fmt: skip
        return [name for name in names if getattr(self, name)]

    @property
    def total_epochs(self) -> int:
        """All epochs, cool-down included."""
        return self.epochs + self.cooldown_epochs

"""What the decorators of each kind say of a component besides its name and version.

A decorator's arguments are literals, read from the source without importing it: frozen dataclasses give them their
types and defaults, so that a component's traits are the same before and after it is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Gradient = Literal["exact", "surrogate", "straight-through", "bpda", "none"]
Takes = Literal["images", "events", "both"]
CorruptionGroup = Literal["noise", "blur", "weather", "digital"]
On = Literal["frames", "events"]


@dataclass(frozen=True, kw_only=True)
class NoTraits:
    """A kind whose components say no more than name and version."""


@dataclass(frozen=True, kw_only=True)
class EncoderTraits:
    """What an encoder declares of itself, and what the conformance tests check.

    Attributes:
        stochastic: two runs with other random streams differ; attacks then average over draws (EOT).
        causal: step t does not depend on later steps nor on T, so a prefix of T steps equals a shorter run.
        gradient: where the input gradient comes from: ``exact`` (a real-valued output, differentiable as it is),
            ``surrogate`` (of spiking neurons), ``straight-through`` or ``bpda`` (see
            :mod:`robustbench_snn.model.coding_gradients`), or ``none`` (zero everywhere, for the study of gradient
            masking).
        spiking: the output is binary; otherwise real-valued.
        takes: the kind of data: images (C, H, W), event frames (F, C, H, W), or both.
    """

    stochastic: bool = False
    causal: bool = True
    gradient: Gradient = "surrogate"
    spiking: bool = True
    takes: Takes = "images"


@dataclass(frozen=True, kw_only=True)
class EvaluationTraits:
    """What an evaluation declares.

    Attributes:
        takes: the kind of data that it can evaluate a model on; both, if it is blind to it.
    """

    takes: Takes = "images"


@dataclass(frozen=True, kw_only=True)
class BackboneTraits:
    """What a backbone declares.

    Attributes:
        spiking: False for an ANN, which has no membrane.
    """

    spiking: bool = True


@dataclass(frozen=True, kw_only=True)
class ModelTraits:
    """What a whole model declares.

    Attributes:
        stochastic: two forwards of one image differ.
        raw: it runs one step a call, or takes (T, B, C, H, W), and the package runs its steps.
    """

    stochastic: bool = False
    raw: bool = False


@dataclass(frozen=True, kw_only=True)
class DatasetTraits:
    """What a dataset declares, so that it can be looked for without importing it.

    Attributes:
        files: glob patterns of what a folder must hold to be this dataset.
        inside: sub-folders of a root that may hold them.
        places: folders to look in when no root is named; ``~`` is the home folder.
        install: what to run to get it, or what to do.
        events: its samples are event frames (F, C, H, W), not images.
    """

    files: Sequence[str] = ()
    inside: Sequence[str] = (".",)
    places: Sequence[str] = ()
    install: str = ""
    events: bool = False


@dataclass(frozen=True, kw_only=True)
class CorruptionTraits:
    """What a corruption declares.

    Attributes:
        group: the family in the authors' grouping.
        stochastic: it draws random numbers.
        cifar: CIFAR-10-C's parameters, one row a severity.
        imagenet: ImageNet-C's parameters, one row a severity.
    """

    group: CorruptionGroup = "digital"
    stochastic: bool = False
    cifar: Sequence[Sequence[float]] = ()
    imagenet: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, kw_only=True)
class EventCorruptionTraits:
    """What a corruption of event data declares.

    Attributes:
        on: ``frames``, or the raw ``events`` that frames are cut of, where times or their order matter.
        stochastic: it draws random numbers.
        severities: its parameters, one row a severity.
    """

    on: On = "frames"
    stochastic: bool = False
    severities: Sequence[Sequence[float]] = ()


@dataclass(frozen=True, kw_only=True)
class AttackTraits:
    """What an attack declares.

    Attributes:
        norms: the norms that it is defined for.
        gradient: False for a black-box attack, which no estimator can help.
    """

    norms: Sequence[Literal["linf", "l2"]] = ("linf", "l2")
    gradient: bool = True

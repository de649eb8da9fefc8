"""Tables of schema version 1, as published before comparisons were made over seeds; read and shown, never written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from robustbench_snn.strict import Strict

_OF_EVALUATIONS = {"label": str, "name": str, "limit": int | None, "parameters": dict}


def _checked_protocol(protocol: Mapping[str, Any]) -> Mapping[str, Any]:
    evaluations = protocol.get("evaluations", [])
    if not isinstance(protocol.get("dataset", {}), dict) or not isinstance(evaluations, list | tuple):
        raise ValueError("dataset must be an object, and evaluations a list")
    for evaluation in evaluations:
        if not isinstance(evaluation, dict) or not all(
            isinstance(evaluation[name], kind) for name, kind in _OF_EVALUATIONS.items() if name in evaluation
        ):
            raise ValueError("evaluations must be objects, their labels and names text, their limits whole numbers")
    return protocol


Protocol = Annotated[Mapping[str, Any], AfterValidator(_checked_protocol)]
"""What all entries of a table share; pages are made of its evaluations."""


class Against(Strict):
    """The paired comparison of a score with the baseline's, over samples alone: it is about networks.

    Attributes:
        baseline: name of the model compared with.
        difference: of the mean accuracies, in [-1, 1].
        low: lower end of the difference's interval.
        high: upper end of it.
        p_value: before correction.
        adjusted_p_value: corrected over all comparisons of the table.
        detectable: smallest true difference that this many samples find.
    """

    baseline: str
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    detectable: float


class Score(Strict):
    """What one evaluation says of one model, and all that leads to it.

    Attributes:
        accuracy: mean over the seeds, in [0, 1]; None for an evaluation that has none (``profile``).
        half_width: of Wilson's interval for ``samples`` samples: a measure of the test set's size, not of seeds.
        spread: standard deviation over the seeds; None for one seed.
        samples: number of samples N.
        metrics: every metric of the evaluation, averaged over the seeds.
        flags: checks that failed for any seed.
        comparable: False for protocols that are set apart.
        against: the comparison with the baseline, if the table has one.
        records: keys of the records.
    """

    accuracy: float | None
    half_width: float | None
    spread: float | None
    samples: int
    metrics: Mapping[str, float]
    flags: tuple[str, ...]
    comparable: bool
    against: Against | None = None
    records: tuple[str, ...]


class Row(Strict):
    """One model of the table.

    Attributes:
        model: name.
        identity: its components with all their parameters.
        timesteps: T at training.
        parameters: number of parameters.
        seeds: training seeds.
        cells: scores by evaluation label; an evaluation that failed is missing.
        failures: messages by evaluation label, or under ``train``.
        training: keys of the training records.
    """

    model: str
    identity: Mapping[str, Any]
    timesteps: int
    parameters: int
    seeds: tuple[int, ...]
    cells: Mapping[str, Score]
    failures: Mapping[str, str] = Field(default_factory=dict)
    training: tuple[str, ...]


class Measure(Strict):
    """A metric besides accuracy that the table shows.

    Attributes:
        label: of the evaluation.
        metric: its name.
        heading: of the column; one that ends in % shows a share in percent.
    """

    label: str
    metric: str
    heading: str


class FirstTable(Strict):
    """A whole table of schema version 1.

    Attributes:
        schema_version: of this format.
        name: folder under results/.
        title: heading.
        description: one line.
        suite: name of the suite.
        protocol: what all entries share.
        protocol_hash: sha256 of it.
        dataset: name of the dataset.
        samples: evaluation samples.
        columns: evaluation labels, in order.
        measures: what is shown besides accuracies.
        confidence: of the intervals.
        rows: the models.
    """

    schema_version: Literal[1]
    name: str
    title: str
    description: str
    suite: str
    protocol: Protocol
    protocol_hash: str
    dataset: str
    samples: int
    columns: tuple[str, ...]
    measures: tuple[Measure, ...] = ()
    confidence: float
    rows: tuple[Row, ...]

    @property
    def data(self) -> str:
        """The data in words."""
        return self.dataset

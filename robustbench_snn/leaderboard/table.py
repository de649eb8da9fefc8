"""A table of one suite: a row a model, a column an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import Field

from robustbench_snn.leaderboard.comparison import Comparison, Scope, Test
from robustbench_snn.leaderboard.schema1.table import FirstTable, Protocol
from robustbench_snn.leaderboard.schema1.table import Row as FirstRow
from robustbench_snn.leaderboard.statistics import Correction, Interval
from robustbench_snn.reported import ReportedSet
from robustbench_snn.strict import Strict

SCHEMA_VERSION = 2
"""Raised when a field of :class:`Table` changes its meaning."""

Layout = Literal["plain", "github", "github2", "github3"]
"""``github2`` is ``github`` whose commands write the version's suite from the version itself; ``github3`` says that
a difference was not seen even without the correction, and what fewer than five seeds mean for it."""
LAYOUT: Layout = "github3"
"""That of new versions."""

HEADING = ("name", "title", "dataset_title", "baseline", "confidence", "correction")
"""What a suite says of its table, and a table of itself."""


class Against(Strict):
    """A comparison with the baseline, see :class:`robustbench_snn.leaderboard.comparison.Comparison`.

    Attributes:
        baseline: name of the model compared with.
        difference: of the mean accuracies, in [-1, 1].
        low: lower end of the difference's interval.
        high: upper end of it.
        p_value: before correction.
        adjusted_p_value: corrected over all comparisons that the table shows.
        scope: ``methods`` for two seeds or more on both sides, else ``networks``.
        seeds: number of training seeds of the model and of the baseline.
        samples: number of samples.
        standard_error: of the difference.
        df: its degrees of freedom.
        minimum_detectable_effect: smallest true difference found with 80 % power by a test at 5 %, before correction.
        test: where the p-value comes from.
    """

    baseline: str
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    scope: Scope
    seeds: tuple[int, int]
    samples: int
    standard_error: float
    df: float
    minimum_detectable_effect: float
    test: Test

    @classmethod
    def of(cls, found: Comparison, baseline: str, adjusted_p_value: float) -> Against:
        """A comparison as the table holds it."""
        values = {name: value for name, value in vars(found).items() if name != "interval"}
        interval = found.interval
        return cls(baseline=baseline, low=interval.low, high=interval.high, adjusted_p_value=adjusted_p_value, **values)

    def comparison(self) -> Comparison:
        """The comparison as :func:`robustbench_snn.leaderboard.comparison.compare` returned it."""
        values = self.model_dump(exclude={"baseline", "low", "high", "adjusted_p_value"})
        return Comparison(interval=Interval(self.low, self.high), **values)


class Score(Strict):
    """What one evaluation says of one model, every seed and condition of which is there.

    Attributes:
        accuracy: mean over the seeds, in [0, 1]; None for an evaluation that has none (``profile``).
        low: lower end of the accuracy's interval: over new trainings and samples, or over samples for one seed.
        high: upper end of it.
        sd: standard deviation over the seeds; None for one seed.
        seeds: number of training seeds.
        samples: number of samples N.
        metrics: every metric of the evaluation, averaged over the seeds.
        flags: checks that failed for any seed.
        comparable: False for protocols that are set apart.
        against: the comparison with the baseline, if the table has one.
        rank: 1 for the best group of the column; models that the data do not tell apart share a rank.
        records: keys of the records.
    """

    accuracy: float | None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    seeds: int
    samples: int
    metrics: Mapping[str, float]
    flags: tuple[str, ...]
    comparable: bool
    against: Against | None = None
    rank: int | None = None
    records: tuple[str, ...]


class Gap(Strict):
    """An evaluation of a model that lacks seeds or conditions: no mean is made, compared or ranked.

    Attributes:
        complete: number of seeds with all conditions.
        wanted: number of seeds that there should be.
        lacks: seeds and conditions: ``seed 1: fog; seed 2: fog, contrast``.
    """

    complete: int
    wanted: int
    lacks: str


class Row(Strict):
    """One model of the table.

    Attributes:
        model: name.
        identity: its components with all their parameters.
        timesteps: T at training.
        parameters: number of parameters.
        seeds: training seeds that the suite asks for.
        cells: scores by evaluation label; an evaluation that lacks anything is among the gaps instead.
        gaps: what is missing, by evaluation label.
        failures: messages by evaluation label, or under ``train``.
        training: keys of the training records.
        notes: where its records come from, in words, if not all of the table's come from there.
    """

    model: str
    identity: Mapping[str, Any]
    timesteps: int
    parameters: int
    seeds: tuple[int, ...]
    cells: Mapping[str, Score]
    gaps: Mapping[str, Gap] = Field(default_factory=dict)
    failures: Mapping[str, str] = Field(default_factory=dict)
    training: tuple[str, ...]
    notes: tuple[str, ...] = ()


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


class Table(Strict):
    """A whole table.

    Attributes:
        schema_version: of this format.
        name: folder under results/.
        title: heading.
        description: one line.
        suite: name of the suite.
        protocol: what all entries share.
        protocol_hash: sha256 of it.
        dataset: name of the dataset.
        dataset_title: what the suite calls the data, if it does.
        samples: evaluation samples.
        columns: evaluation labels, in order.
        repeats: labels whose accuracy is that of another column; it is neither shown again, nor compared, nor ranked.
        measures: what is shown besides accuracies.
        baseline: name of the model that the others are compared with; None for no comparisons.
        confidence: of the intervals.
        correction: of the p-values over all comparisons.
        weights: where the trained weights are, in words or as an address; a program fetches nothing from there.
        mixed: in what the records of the rows differ, see :mod:`robustbench_snn.leaderboard.origins`; empty where
            all come from one program on one machine, None where the table is from before this was noted.
        rows: the models.
        reported: numbers of papers, shown beside the measured ones, never ranked or compared.
        layout: of ``leaderboard.md``; versions from before there was a choice are ``plain``.
    """

    schema_version: Literal[2] = 2
    name: str
    title: str
    description: str
    suite: str
    protocol: Protocol
    protocol_hash: str
    dataset: str
    dataset_title: str | None = None
    samples: int
    columns: tuple[str, ...]
    repeats: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    baseline: str | None = None
    confidence: float
    correction: Correction = "holm"
    weights: str | None = None
    mixed: tuple[str, ...] | None = None
    rows: tuple[Row, ...]
    reported: tuple[ReportedSet, ...] = ()
    layout: Layout = "plain"

    def since(self, layout: Layout) -> bool:
        """Whether its pages are of this layout, or a later one."""
        order = get_args(Layout)
        return bool(order.index(self.layout) >= order.index(layout))

    @property
    def data(self) -> str:
        """The data in words: ``digits``, or what the suite calls it with the name of the dataset."""
        return self.dataset if self.dataset_title is None else f"{self.dataset_title} ({self.dataset})"


AnyTable = Table | FirstTable
"""A table of any schema version that was ever published."""

AnyRow = Row | FirstRow
"""A row of one."""

"""What a reported number must say of itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from robustbench_snn.strict import Strict

Text = Annotated[str, Field(min_length=1, max_length=500)]


class Source(Strict):
    """Where numbers are from.

    Attributes:
        citation: authors, title, place, year.
        arxiv: such as 2505.15840.
        where: page, table or figure, if known.
    """

    citation: Text
    arxiv: str | None = Field(default=None, pattern=r"^\d{4}\.\d{4,5}(v\d+)?$")
    where: Text | None = None

    def __str__(self) -> str:
        return ", ".join(part for part in (self.citation, self.arxiv and f"arXiv:{self.arxiv}", self.where) if part)


class Number(Strict):
    """One number of a model.

    Attributes:
        model: as its authors call it.
        value: in the unit of its group.
        sd: standard deviation over training seeds, in the same unit.
        timesteps: T; None where there is none, or none is stated.
        of: what sets it apart in its group: a corruption, an image size.
    """

    model: Text
    value: float = Field(allow_inf_nan=False)
    sd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    timesteps: int | None = Field(default=None, ge=1)
    of: Text | None = None


class Group(Strict):
    """Numbers of one source, one metric, one dataset and one protocol.

    Attributes:
        source: where they are from.
        dataset: as its authors call it.
        metric: what was measured.
        unit: of the values.
        protocol: in words: what was trained how, and evaluated how.
        numbers: the numbers.
    """

    source: Source
    dataset: Text
    metric: Text
    unit: Literal["%", "points", "pJ", "mJ", "parameters", ""]
    protocol: Text
    numbers: tuple[Number, ...] = Field(min_length=1)


class ReportedSet(Strict):
    """The numbers of one file.

    Attributes:
        kind: says of every number in it that it was not measured here.
        name: of the file.
        title: heading.
        groups: its numbers.
    """

    kind: Literal["reported"] = "reported"
    name: str
    title: Text
    groups: tuple[Group, ...] = Field(min_length=1)

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(len(group.numbers) for group in self.groups)

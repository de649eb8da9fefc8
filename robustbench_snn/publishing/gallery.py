"""All pictures of a site that take more than a published version: images, weights; and why those that lack do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from robustbench_snn.leaderboard.table import Row, Table
from robustbench_snn.publishing.corrupted import corrupted_names, corrupted_pictures
from robustbench_snn.publishing.first_sample import FirstSamples
from robustbench_snn.publishing.pictures import pictures
from robustbench_snn.publishing.spikes import Spikes, spikes_of
from robustbench_snn.publishing.version_page import Published
from robustbench_snn.store.store import Store


@dataclass(frozen=True)
class OfTable:
    """Pictures on the page of a table.

    Attributes:
        corrupted: PNG by corruption.
        missing: why there are none, in words; empty where there are.
    """

    corrupted: Mapping[str, bytes] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class OfEntry:
    """Pictures on the page of an entry.

    Attributes:
        attacks: PNG by file name.
        spikes: None where they are missing.
        missing: what there is no picture of, and why, in words.
    """

    attacks: Mapping[str, bytes]
    spikes: Spikes | None
    missing: tuple[str, ...]


class Gallery:
    """Makes pictures; one that cannot be made is counted with its reason, and no publishing fails for it.

    Args:
        store: where kept images and weights may lie; None for none.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store = store
        self._samples = FirstSamples()
        self._missing: Counter[str] = Counter()

    @property
    def missing(self) -> list[str]:
        """What could not be made, for the screen: a line a reason, with the number of pages that lack it."""
        return [f"no {line} ({count} page{'s' if count > 1 else ''})" for line, count in sorted(self._missing.items())]

    def of_table(self, one: Published, table: Table) -> OfTable:
        """Pictures for a table's page."""
        try:
            corrupted_names(table)
            return OfTable(dict(corrupted_pictures(table, self._samples.of(one, table))))
        except Exception as error:  # no picture is worth a site that cannot be published
            return OfTable(missing=self._lacks("pictures of corruptions", error))

    def of_entry(self, one: Published, table: Table, row: Row) -> OfEntry:
        """Pictures for an entry's page."""
        missing = []
        attacks: Mapping[str, bytes] = {}
        spikes = None
        try:
            attacks = pictures(self._store, one, row) if self._store else {}
            if not attacks:
                where = "no store was named" if self._store is None else "no attack of it kept images there"
                missing.append(self._lacks("pictures of attacks", where))
        except Exception as error:  # as above
            missing.append(self._lacks("pictures of attacks", error))
        try:
            spikes = spikes_of(one, row, self._samples.of(one, table), self._store)
        except Exception as error:  # as above
            missing.append(self._lacks("pictures of spikes", error))
        return OfEntry(attacks, spikes, tuple(missing))

    def _lacks(self, what: str, why: Exception | str) -> str:
        line = f"{what}: {' '.join(str(why).split()) or type(why).__name__}"
        self._missing[line] += 1
        return line

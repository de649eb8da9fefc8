"""A test sample of a published table, from its dataset on this machine."""

from __future__ import annotations

import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.dataset.contract import Dataset
from robustbench_snn.dataset.samples import Samples
from robustbench_snn.errors import UserError
from robustbench_snn.leaderboard.outcomes import read_outcomes
from robustbench_snn.leaderboard.table import Table
from robustbench_snn.publishing.version_page import Published


class FirstSamples:
    """The first test sample of any table; each dataset is loaded once, and by its name alone."""

    def __init__(self) -> None:
        self._loaded: dict[str, Dataset | str] = {}

    def of(self, one: Published, table: Table) -> Samples:
        """One sample: the first of those that the table's numbers are of.

        Raises:
            UserError: if the dataset is not here, or is not that of the table.
        """
        dataset = self._dataset(table.dataset)
        if dataset.fingerprint != table.protocol.get("dataset", {}).get("fingerprint"):
            raise UserError(f"the dataset {table.dataset} as it is loaded here is not the table's")
        there = read_outcomes(one.folder / "samples.parquet").samples
        places = torch.nonzero(dataset.test.ids == int(there[0])).flatten() if len(there) else torch.empty(0)
        if len(places) != 1:
            raise UserError(f"the dataset {table.dataset} as it is loaded here lacks the table's samples")
        return dataset.test.subset(places)

    def _dataset(self, name: str) -> Dataset:
        if name not in self._loaded:
            try:
                self._loaded[name] = load_dataset(name)
            except Exception as error:  # whatever a dataset's code raises, a site is published
                self._loaded[name] = f"the dataset {name} cannot be loaded here: {error}"
        found = self._loaded[name]
        if isinstance(found, str):
            raise UserError(found)
        return found

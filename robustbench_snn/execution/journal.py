"""What the long steps of an evaluation found, in files until its record is written."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from robustbench_snn.digests import json_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.evaluation.journal import Journal, Step
from robustbench_snn.weights.tensors import read_tensors, write_tensors

WORTH_KEEPING = 2.0
"""Seconds that a step must have taken: shorter ones are taken again."""

_log = logging.getLogger(__name__)


class FileJournal(Journal):
    """A file a step that took long; each is whole or not there.

    Args:
        folder: of this evaluation alone; made when there is something to keep.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._steps = 0

    def again(self) -> FileJournal:
        """See :meth:`Journal.again`."""
        return FileJournal(self.folder)

    def step(self, before: Callable[[], str], compute: Callable[[], Step]) -> Step:
        """See :meth:`Journal.step`.

        Raises:
            StoreWriteError: if a step that took long cannot be written.
        """
        self._steps += 1
        file, digest = self.folder / f"step-{self._steps:05d}.safetensors", before()
        if (kept := _kept(file, digest)) is not None:
            return kept
        found = compute()
        if found.seconds >= WORTH_KEEPING:
            facts = {"before": digest, "found": dict(found.facts), "seconds": found.seconds}
            write_tensors(file, found.tensors, {"facts": facts, "sha256": json_digest(facts)})
        return found


def _kept(file: Path, before: str) -> Step | None:
    """What a step left, where that is whole and follows from the same."""
    if not file.exists():
        return None
    try:
        tensors, header = read_tensors(file)
        facts = header.get("facts")
        if facts is None or header.get("sha256") != json_digest(facts) or facts["before"] != before:
            raise StoreError(f"{file} is damaged, or of another evaluation")
        return Step(tensors, facts["found"], facts["seconds"])
    except StoreError as error:
        _log.warning("%s; the step is taken again", error)
        return None

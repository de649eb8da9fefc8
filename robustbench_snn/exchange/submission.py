"""One entry of a table in a file: its records, its outcomes on every sample, and its weights if wished."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.archive import pack
from robustbench_snn.exchange.protocol import first_difference
from robustbench_snn.exchange.published import Published
from robustbench_snn.exchange.reproduction import reproduce
from robustbench_snn.execution import RunSettings
from robustbench_snn.leaderboard.assessment import assess
from robustbench_snn.leaderboard.content import Content, write_data
from robustbench_snn.leaderboard.manifest import write_manifest
from robustbench_snn.leaderboard.origins import marked
from robustbench_snn.leaderboard.outcomes import Outcomes


def submit(published: Published, model: str, file: Path, *, weights: bool = False) -> Content:
    """Packs one row of a table: table, records, outcomes, hashes, and nothing that is executed.

    Args:
        published: a version, or a draft.
        model: name of the row.
        file: the zip file to write.
        weights: whether to pack the weights of its trainings.

    Returns:
        What was packed.

    Raises:
        UserError: if there is no such row, or not all of its weights.
    """
    row, content = published.row(model), published.content
    records = {record.key: content.records[record.key] for record in published.records_of(model)}
    outcomes = Outcomes(
        content.outcomes.samples,
        {place: found for place, found in content.outcomes.by_seed.items() if place[0] == model},
    )
    table = content.table.model_copy(update={"rows": (row,)})
    packed = Content(marked(assess(table, outcomes), records), outcomes, records)
    if weights:
        if missing := [key[:12] for key in row.training if key not in content.weights]:
            raise UserError(
                f"the weights of {', '.join(missing)} are not in {published.folder}: name the store that trained them, "
                "or leave out --with-weights"
            )
        packed = replace(packed, weights={key: content.weights[key] for key in row.training})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(packed, folder)
        write_manifest(folder, table.name, "submission", None)
        pack(folder, file)
    return packed


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        passed: whether it is as it should be, a re-run that was not possible being none; None for what is to be known.
        said: what was found.
    """

    passed: bool | None
    said: str


def check_submission(
    submitted: Published,
    onto: Published | None,
    *,
    rerun: int = 0,
    settings: RunSettings | None = None,
    seed: int | None = None,
) -> Iterator[Check]:
    """Checks a submission whose hashes, keys, records and numbers are sound, as those of all that is read are.

    Args:
        submitted: the unpacked file.
        onto: the table that it is to join.
        rerun: how many of its evaluations are computed again, drawn at random; none without a table, whose protocol
            says what is run.
        settings: how to compute.
        seed: of the draw; None for one that the submitter cannot know.
    """
    records, models = submitted.records, ", ".join(row.model for row in submitted.table.rows)
    yield Check(True, f"{models}: {len(records)} records, all hashes, keys and numbers agree")
    if onto is not None:
        difference = first_difference(onto.table.protocol, submitted.table.protocol)
        yield Check(not difference, f"protocol of {onto.title}: {difference or 'the same'}")
        if difference:  # nothing of another protocol is built here, let alone run
            return
        for name in sorted({row.model for row in onto.table.rows} & {row.model for row in submitted.table.rows}):
            grows = submitted.holds(onto, name) and not onto.holds(submitted, name)
            said = "has all of its records and more" if grows else "is not that with more seeds"
            yield Check(grows, f"{onto.title} has a model of this name already, and this one {said}: {name}")
    foreign = sorted(row.model for row in submitted.table.rows if is_foreign(row.identity))
    if foreign:
        said = "code from outside this program makes it; no source is taken along, and it runs only with --plugin"
        yield Check(None, f"{', '.join(foreign)}: {said}")
    evaluations = sorted(key for key, record in records.items() if record.kind == "evaluate")
    for key in random.Random(seed).sample(evaluations, min(rerun, len(evaluations)) if onto else 0):
        yield _rerun(submitted, key, settings or RunSettings())


def _rerun(submitted: Published, key: str, settings: RunSettings) -> Check:
    record = submitted.records[key]
    title = f"{record.identity['evaluation']['name']} of {record.model}, seed {record.seed}, again"
    try:
        with tempfile.TemporaryDirectory() as scratch:
            found = reproduce(submitted, record, Path(scratch), settings)
    except UserError as error:
        return Check(False, f"{title}: not possible here: {error}")
    return Check(found.verdict != "different", f"{title}, by {found.weights}: {found.verdict}: {found.said}")


def is_foreign(identity: object) -> bool:
    """Whether a model's identity names a plug-in's model or the source of a component from outside."""
    if isinstance(identity, dict):
        return "source" in identity or any(name == "model" or is_foreign(value) for name, value in identity.items())
    return isinstance(identity, list) and any(is_foreign(item) for item in identity)

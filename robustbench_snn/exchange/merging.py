"""Published tables, drafts and submissions of one protocol in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.protocol import first_difference
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.publication import incomplete, prepare, publish_prepared, publishing
from robustbench_snn.leaderboard.release import Released, doubts, same
from robustbench_snn.leaderboard.versions import versions


def merge_tables(
    sources: Sequence[Published], results: Path, *, prefer: Path | None = None, publish: bool = False
) -> Released:
    """Publishes the rows of several versions, drafts or submissions as one table, named after the first.

    Where ``results`` has this table, the rows are added to its latest version. Statistics of all rows are made anew.
    Of two rows of one name, one of which holds all records of the other and more seeds, it is that one.

    Args:
        sources: with equal protocols.
        results: folder of the published tables.
        prefer: folder of the source whose row is taken where two of one name differ.
        publish: whether to publish records that :func:`~robustbench_snn.leaderboard.release.doubts` is about.

    Raises:
        UserError: naming the first difference of protocols, the conflicts, or the doubts; nothing is written then.
    """
    with publishing(results, sources[0].table.name):
        return _merged(sources, results, prefer, publish)


def _merged(sources: Sequence[Published], results: Path, prefer: Path | None, publish: bool) -> Released:
    name = sources[0].table.name
    there = read_version(find_version(name, results)) if versions(results, name) else None
    everything = [*([there] if there else []), *sources]
    first = everything[0]
    for other in everything[1:]:
        if told := first_difference(first.table.protocol, other.table.protocol):
            raise UserError(f"{first.folder} and {other.folder} have different protocols: {told}")
    rows = _united(everything, prefer)
    new = {model: source for model, source in rows.items() if source is not there}
    records = [found for model, source in new.items() for found in source.records_of(model)]
    if not publish and (why := doubts(records)):
        raise UserError(f"not published: {'; '.join(why)}; --publish overrules this")
    samples = max((source.content.outcomes.samples for source in everything), key=len)
    outcomes = {
        place: source.content.outcomes.in_order_of(samples, place)
        for model, source in new.items()
        for place in source.content.outcomes.by_seed
        if place[0] == model
    }
    baseline = next((source.table.baseline for source in everything if source.table.baseline), None)
    dataset_title = next((source.table.dataset_title for source in everything if source.table.dataset_title), None)
    changes = {"rows": tuple(source.row(model) for model, source in new.items()), "baseline": baseline}
    table = first.table.model_copy(update=changes | {"dataset_title": dataset_title})
    weights = {key: path for source in new.values() for key, path in source.content.weights.items()}
    base = None if there is None else there.base()
    if base is not None and (why := incomplete(base, results)):
        raise UserError(f"not published: {'; '.join(why)}")
    prepared = prepare(table, Outcomes(samples, outcomes), records, results, base=base, weights=weights)
    if there is not None and prepared.before is not None and same(prepared.content, prepared.before):
        return Released("stands", there.folder, str(there.version), there.table)
    folder = publish_prepared(prepared, results)
    return Released("published", folder, folder.name, prepared.content.table)


def _united(sources: Sequence[Published], prefer: Path | None) -> dict[str, Published]:
    """From which source each row comes, in order.

    Raises:
        UserError: naming the rows of one name that differ, if no source is preferred.
    """
    chosen: dict[str, Published] = {}
    conflicts = []
    for source in sources:
        for row in source.table.rows:
            before = chosen.setdefault(row.model, source)
            if before is source or before.holds(source, row.model):
                continue
            if source.holds(before, row.model):
                chosen[row.model] = source
                continue
            if prefer is None:
                conflicts.append(f"'{row.model}' of {before.folder} and of {source.folder}")
            elif source.folder.resolve() == prefer.resolve():
                chosen[row.model] = source
    if conflicts:
        raise UserError(
            f"rows of one name that differ: {'; '.join(conflicts)}. Rename one, or say whose is taken with --prefer"
        )
    return chosen

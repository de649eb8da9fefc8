"""Published tables, drafts and submissions of one protocol in one table."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from robustbench_snn.errors import UserError
from robustbench_snn.exchange.protocol import first_difference
from robustbench_snn.exchange.published import Published, find_version, read_version
from robustbench_snn.leaderboard.outcomes import Outcomes
from robustbench_snn.leaderboard.publication import incomplete, prepare, publish_prepared, publishing
from robustbench_snn.leaderboard.release import Released, doubts, same
from robustbench_snn.leaderboard.versions import versions


def merge_tables(
    sources: Mapping[str, Published], results: Path, *, prefer: Path | None = None, publish: bool = False
) -> Released:
    """Publishes the rows of several versions, drafts or submissions as one table, named after the first.

    Where ``results`` has this table, the rows are added to its latest version. Statistics of all rows are made anew.
    Of rows of one name, one of which holds all records of the others and more seeds, it is that one.

    Args:
        sources: with equal protocols, by what messages call each: its file, or what it was found by.
        results: folder of the published tables.
        prefer: the source whose row is taken where those of one name differ: what messages call it, or another name or
            folder of the same version, such as that of the table in ``results``.
        publish: whether to publish records that :func:`~robustbench_snn.leaderboard.release.doubts` is about.

    Raises:
        UserError: naming the first difference of protocols, the sources if ``prefer`` is none of them, the conflicts
            that are left, or the doubts; nothing is written then.
    """
    with publishing(results, next(iter(sources.values())).table.name):
        return _merged(sources, results, prefer, publish)


def _merged(sources: Mapping[str, Published], results: Path, prefer: Path | None, publish: bool) -> Released:
    name = next(iter(sources.values())).table.name
    there = read_version(find_version(name, results)) if versions(results, name) else None
    ours = {} if there is None else {str(results / name): there}
    named = {**ours, **sources, **ours}  # it comes first, and is itself even if it is a source too
    (title, first), *others = named.items()
    for other, source in others:
        if told := first_difference(first.table.protocol, source.table.protocol):
            raise UserError(f"{title} and {other} have different protocols: {told}")
    rows = _united(named, None if prefer is None else _preferred(named, prefer, results))
    everything = list(named.values())
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


def _preferred(sources: Mapping[str, Published], prefer: Path, results: Path) -> str:
    """What messages call the source that has this name, or is the version that this name finds.

    Raises:
        UserError: if there is none.
    """
    folder = prefer.resolve()
    if not prefer.is_file():
        with suppress(UserError):
            folder = find_version(str(prefer), results).resolve()
    for name, source in sources.items():
        if folder in (Path(name).resolve(), source.folder.resolve()):
            return name
    raise UserError(f"--prefer {prefer} is none of {', '.join(sources)}")


def _united(sources: Mapping[str, Published], preferred: str | None) -> dict[str, Published]:
    """From which source each row comes, in order.

    Raises:
        UserError: naming the rows of one name that differ and are not in the preferred source.
    """
    chosen: dict[str, Published] = {}
    conflicts = []
    for model in dict.fromkeys(row.model for source in sources.values() for row in source.table.rows):
        having = {name: one for name, one in sources.items() if any(row.model == model for row in one.table.rows)}
        whole = [
            name
            for name, one in having.items()
            if all(other is one or one.holds(other, model) for other in having.values())
        ]
        taken = whole[0] if whole else preferred
        if taken in having:
            chosen[model] = having[taken]
        else:
            conflicts.append(f"'{model}' of {' and of '.join(having)}")
    if conflicts:
        raise UserError(
            f"rows of one name that differ: {'; '.join(conflicts)}. Rename one, or say whose is taken with --prefer"
        )
    return chosen

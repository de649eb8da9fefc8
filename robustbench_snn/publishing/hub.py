"""Published tables as files for the Hugging Face hub: a dataset repository a table, and results for model repositories.

The formats are those of the hub's documentation of evaluation results: ``eval.yaml`` in the root of a benchmark's
dataset repository, and ``.eval_results/*.yaml`` in that of a model. Scores are in percent.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from robustbench_snn.errors import StoreError, UserError
from robustbench_snn.leaderboard.table import Row, Score, Table
from robustbench_snn.leaderboard.versions import tables, versions
from robustbench_snn.publishing.card import card
from robustbench_snn.publishing.columns import threat
from robustbench_snn.publishing.every_eval import every_eval
from robustbench_snn.publishing.names import file_names, visible
from robustbench_snn.publishing.version_page import Published, read_published

FRAMEWORK = "robustbench_snn"
"""The hub takes only frameworks of its own list, which this one has yet to be added to: docs/publishing.md."""

BENCHMARK = "eval.yaml"
"""Makes a dataset repository a benchmark."""

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True)
class Hub:
    """Where on the hub the files are to go.

    Attributes:
        owner: user or organisation of the dataset repositories.
        url: where the table can be read; that of its dataset repository if None.
    """

    owner: str
    url: str | None = None

    def __post_init__(self) -> None:
        if not _OWNER.fullmatch(self.owner):
            raise UserError(f"--owner takes a user or organisation of the hub, got '{self.owner}'")

    def dataset(self, table: str) -> str:
        """Id of a table's dataset repository."""
        return f"{self.owner}/{file_names([table])[table]}"

    def source(self, table: str) -> str:
        """Where the table can be read."""
        return self.url or f"https://huggingface.co/datasets/{self.dataset(table)}"


def hub_files(results: Path, hub: Hub) -> Iterator[tuple[str, bytes]]:
    """All files: ``datasets/TABLE/``, ``models/TABLE/MODEL/``, ``every_eval_ever/``, of every table's latest version.

    Results for models, and for Every Eval Ever, are only those that compare; there are none of a withdrawn version.

    Args:
        results: folder of the published tables.
        hub: where they are to go.

    Raises:
        StoreError: if there is no table, or one is damaged.
    """
    for published, table in latest(results):
        name = file_names([table.name])[table.name]
        for path, content in dataset_files(published, table, hub):
            yield f"datasets/{name}/{path}", content
        for model, path, content in model_files(published, table, hub):
            yield f"models/{name}/{published.entries[model]}/{path}", content
        if not published.withdrawn:
            yield from every_eval(published, table, hub.owner, hub.source(table.name))


def latest(results: Path) -> Iterator[tuple[Published, Table]]:
    """The latest version of every table that has files for the hub; raises what :func:`hub_files` does."""
    names = tables(results)
    if not names:
        raise StoreError(f"no published tables in {results}; rbsnn run SUITE publishes one")
    for name in names:
        published = read_published(results, name, versions(results, name)[-1])
        if isinstance(published.table, Table):
            yield published, published.table


def dataset_files(published: Published, table: Table, hub: Hub) -> Iterator[tuple[str, bytes]]:
    """Path and content of the files of a table's dataset repository."""
    yield "README.md", card(published, table, hub.dataset(table.name)).encode()
    yield BENCHMARK, _yaml(_benchmark(table, _tasks(table)))
    yield "data/scores.parquet", _parquet(_scores(table))
    yield "data/outcomes.parquet", (published.folder / "samples.parquet").read_bytes()
    yield "records.jsonl", (published.folder / "records.jsonl").read_bytes()
    yield "table.json", (published.folder / "table.json").read_bytes()


def model_files(published: Published, table: Table, hub: Hub) -> Iterator[tuple[str, str, bytes]]:
    """Model, path in its repository, and content, for every model; nothing of a withdrawn version."""
    for row in () if published.withdrawn else table.rows:
        scores = [(task, _accuracy(table, row, label)) for label, task in _tasks(table).items()]
        entries = [_entry(published, hub, score, task) for task, score in scores if score]
        yield row.model, f".eval_results/{file_names([table.name])[table.name]}.yaml", _yaml(entries)


def _tasks(table: Table) -> dict[str, str]:
    """The tasks of the benchmark: their ids by the labels of the evaluations."""
    return file_names(label for label in table.columns if any(_accuracy(table, row, label) for row in table.rows))


def _accuracy(table: Table, row: Row, label: str) -> Score | None:
    """The score of a task: an accuracy that no other column shows, and that compares."""
    score = row.cells.get(label)
    shown = score is not None and score.accuracy is not None and score.comparable
    return score if shown and label not in table.repeats else None


def _benchmark(table: Table, tasks: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": visible(table.title),
        "description": visible(table.description) or f"The table {table.name} of {FRAMEWORK}.",
        "evaluation_framework": FRAMEWORK,
        "tasks": [{"id": task, "config": "outcomes", "split": "test"} for task in tasks.values()],
    }


def _entry(published: Published, hub: Hub, score: Score, task: str) -> dict[str, Any]:
    """One result, as ``huggingface_hub.parse_eval_result_entries`` reads it."""
    assert score.accuracy is not None
    found: dict[str, Any] = {
        "dataset": {"id": hub.dataset(published.name), "task_id": task},
        "value": round(100 * score.accuracy, 4),
        "source": {
            "url": hub.source(published.name),
            "name": f"{FRAMEWORK}: {published.name} {published.version}",
            "user": hub.owner,
        },
        "notes": _notes(score),
    }
    if published.finished:
        found["date"] = published.finished
    return found


def _notes(score: Score) -> str:
    """What a reader must know of the number; flags first."""
    parts = [flag.replace("_", " ") for flag in score.flags]
    parts.append(f"percent, mean over {score.seeds} training seed{'s' if score.seeds > 1 else ''}, n = {score.samples}")
    if score.low is not None and score.high is not None:
        parts.append(f"interval {100 * score.low:.2f} to {100 * score.high:.2f}")
    return "; ".join(parts)


def _scores(table: Table) -> pa.Table:
    """A row a model and evaluation; accuracies and bounds in [0, 1], null where there is none."""
    parameters = {
        part["label"]: part.get("parameters", {}) for part in table.protocol["evaluations"] if "label" in part
    }
    rows = [
        {
            "model": row.model,
            "evaluation": label,
            "threat": threat(parameters.get(label, {})),
            "accuracy": score.accuracy,
            "low": score.low,
            "high": score.high,
            "sd": score.sd,
            "seeds": score.seeds,
            "samples": score.samples,
            "rank": score.rank,
            "comparable": score.comparable,
            "flags": list(score.flags),
            "timesteps": row.timesteps,
            "parameters": row.parameters,
        }
        for row in table.rows
        for label, score in row.cells.items()
    ]
    kinds = (pa.string(),) * 3 + (pa.float64(),) * 4 + (pa.int64(),) * 3 + (pa.bool_(), pa.list_(pa.string()))
    names = ("model", "evaluation", "threat", "accuracy", "low", "high", "sd", "seeds", "samples", "rank")
    schema = pa.schema(
        list(
            zip(
                (*names, "comparable", "flags", "timesteps", "parameters"),
                (*kinds, pa.int64(), pa.int64()),
                strict=True,
            )
        )
    )
    return pa.Table.from_pylist(rows, schema)


def _parquet(found: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(found, buffer, compression="zstd")
    return buffer.getvalue()


def _yaml(found: Any) -> bytes:
    text: str = yaml.safe_dump(found, sort_keys=False, allow_unicode=True)
    return text.encode()

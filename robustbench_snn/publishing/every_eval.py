"""Published tables in the format of Every Eval Ever (EvalEval Coalition), a file a model.

Written to the schema 0.3.0, as the package every-eval-ever 0.3.0 ships it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import robustbench_snn
from robustbench_snn.leaderboard.table import Row, Score, Table
from robustbench_snn.publishing.columns import threat
from robustbench_snn.publishing.names import file_names
from robustbench_snn.publishing.version_page import Published

SCHEMA = "0.3.0"
_ROOM = uuid.UUID("6f1a4a0e-6a56-4c39-9a30-0b1d6a6a2c1e")
"""Names the files: the same table, version and model always have the same one."""


def every_eval(published: Published, table: Table, developer: str, url: str) -> Iterator[tuple[str, bytes]]:
    """``every_eval_ever/data/TABLE/DEVELOPER/MODEL/UUID.json`` for every model that has a number.

    Args:
        published: the version.
        table: its table.
        developer: who published it.
        url: where it can be read.
    """
    base = f"every_eval_ever/data/{file_names([table.name])[table.name]}/{developer}"
    for row in table.rows:
        results = [
            _result(table, label, score)
            for label, score in row.cells.items()
            if score.accuracy is not None and score.comparable
        ]
        if results:
            name = published.entries[row.model]
            found = _file(published, table, row, f"{developer}/{name}", url, results)
            unique = uuid.uuid5(_ROOM, f"{table.name} {published.version} {row.model}")
            yield f"{base}/{name}/{unique}.json", (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()


def _file(
    published: Published, table: Table, row: Row, model: str, url: str, results: list[dict[str, Any]]
) -> dict[str, Any]:
    """The file of one model; its time is that of the latest record, so that the same version makes the same file."""
    records = [record for label in row.cells for record in published.records_of(row, label)]
    finished = max((record.provenance.finished for record in records), default="1970-01-01T00:00:00+00:00")
    made = str(datetime.fromisoformat(finished).timestamp())
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{table.name}/{model}/{made}",
        "evaluation_timestamp": finished,
        "retrieved_timestamp": made,
        "source_metadata": {
            "source_name": f"{table.title} {published.version}",
            "source_type": "evaluation_run",
            "source_organization_name": model.partition("/")[0],
            "source_organization_url": url,
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "robustbench_snn",
            "version": records[0].provenance.packages.get("robustbench_snn", "unknown") if records else "unknown",
            "additional_details": {"written_by": robustbench_snn.__version__, "protocol_hash": table.protocol_hash},
        },
        "model_info": {
            "name": row.model,
            "id": model,
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
                "timesteps": str(row.timesteps),
                "parameters": str(row.parameters),
                "identity": json.dumps(dict(row.identity), sort_keys=True),
            },
        },
        "evaluation_results": results,
    }


def _result(table: Table, label: str, score: Score) -> dict[str, Any]:
    """One evaluation; flags stand in the details, for whoever reads a number must see them."""
    (evaluation,) = [part for part in table.protocol["evaluations"] if part.get("label") == label]
    ball = threat(evaluation.get("parameters", {}))
    details = {"seeds": str(score.seeds), "records": ", ".join(score.records)}
    if score.flags:
        details["flags"] = ", ".join(score.flags)
    if score.sd is not None:
        details["standard_deviation_over_seeds"] = repr(score.sd)
    uncertainty: dict[str, Any] = {"num_samples": score.samples}
    if score.low is not None and score.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": score.low,
            "upper": score.high,
            "confidence_level": table.confidence,
            "method": "over new trainings and samples" if score.seeds > 1 else "Wilson, over samples",
        }
    return {
        "evaluation_name": label,
        "source_data": {
            "dataset_name": table.dataset_title or table.dataset,
            "source_type": "other",
            "additional_details": {"fingerprint": str(table.protocol.get("dataset", {}).get("fingerprint", ""))},
        },
        "metric_config": {
            "evaluation_description": f"accuracy under {evaluation.get('name', label)}"
            + (f" ({ball})" if ball else ""),
            "metric_id": "accuracy",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {"score": score.accuracy, "details": details, "uncertainty": uncertainty},
    }

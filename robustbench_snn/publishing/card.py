"""The card of a table's dataset repository on the hub."""

from __future__ import annotations

import re

import yaml

from robustbench_snn.leaderboard.table import Table
from robustbench_snn.publishing.columns import columns
from robustbench_snn.publishing.names import visible
from robustbench_snn.publishing.numbers import number
from robustbench_snn.publishing.version_page import Published

_MARKUP = re.compile(r"[\\`*_{}\[\]<>()#+!|&~:@$^=\"']")


def card(published: Published, table: Table, dataset: str) -> str:
    """README.md with its head in YAML: the numbers, and what the files hold.

    Args:
        published: the version.
        table: its table.
        dataset: id of the repository.
    """
    shown = [column for column in columns(table) if column.metric == "accuracy"]
    head = {
        "pretty_name": visible(table.title),
        "tags": ["robustness", "spiking-neural-networks", "adversarial-attacks", "benchmark"],
        "task_categories": ["image-classification"],
        "configs": [
            {"config_name": name, "data_files": [{"split": "test", "path": f"data/{name}.parquet"}]}
            for name in ("outcomes", "scores")
        ],
    }
    lines = [
        "---",
        yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {escaped(table.title)} {published.version}",
        "",
        *([f"**Withdrawn:** {escaped(published.withdrawn)}", ""] if published.withdrawn else []),
        *([escaped(table.description), ""] if table.description else []),
        f"{table.samples} samples of {escaped(table.data)}; accuracies in percent, mean over training seeds; bold: "
        f"the table's test finds no model better; protocol {table.protocol_hash[:12]}.",
        "",
        f"| model | {' | '.join(escaped(column.heading) for column in shown)} |",
        f"|---{'|---:' * len(shown)}|",
    ]
    for row in table.rows:
        found = [number(table, row, column) for column in shown]
        cells = [
            " ".join([*(escaped(words) for _, words in one.flags), f"**{one.text}**" if one.best else one.text])
            for one in found
        ]
        lines.append(f"| {escaped(row.model)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", *_FILES.format(dataset=dataset).splitlines(), ""])


def escaped(text: str) -> str:
    """Text that markdown and HTML show as it is, on one line."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", " ".join(visible(text).split()))


_FILES = """## Files

- `data/scores.parquet`: a row a model and evaluation: accuracy, interval, standard deviation over seeds, rank, flags
- `data/outcomes.parquet`: a row a model, evaluation, training seed and sample: whether it was right, or how often
- `records.jsonl`, `table.json`: every cell with its content key and provenance, and the whole table

```python
from datasets import load_dataset

outcomes = load_dataset("{dataset}", "outcomes", split="test")
```

The images themselves are not here: the samples are named by their ids in the dataset that the protocol names."""

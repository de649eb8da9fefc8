"""The standard SNN attack set over a zoo of small models, beside an attack that knows each model's mask.

    python docs/scripts/zoo_report.py --out runs/zoo
    python docs/scripts/zoo_report.py --out runs/zoo --table
    python docs/scripts/zoo_report.py --out runs/zoo --members

Run from the repository's root: the zoo is part of its tests. One JSON line a model is appended to ``zoo.jsonl``, and
models already there are skipped. ``RBSNN_ZOO_CACHE`` names a folder for trained weights.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from robustbench_snn import evaluate
from tests.attack_models import held_out
from tests.zoo import ZOO, Entry, shares

REFUSED = "refused"
"""The flag column of a model that the set gave no number for, and said why."""


def measured(entry: Entry, images: Tensor, labels: Tensor, eps: float) -> dict[str, Any]:
    """One line of the report."""
    row: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "honest": entry.honest, "refusal_due": entry.refused}
    row |= {"stochastic": entry.stochastic, "samples": len(labels), "eps": eps}
    found = torch.ones(len(labels))
    begun = time.process_time()
    try:
        model = entry.build()
        clean, standard = evaluate(
            model, images, labels, ["clean", {"snn_standard": {"eps": eps}}], stochastic=entry.stochastic
        )
    except Exception as failure:  # a crash is a finding too
        row |= {"error": f"{type(failure).__name__}: {failure}", "flags": []}
    else:
        found = torch.as_tensor(standard.columns["correct"]).float()
        row |= {
            "clean": clean.accuracy,
            "snn_standard": standard.accuracy,
            "version": standard.version,
            "flags": sorted({*clean.flags, *standard.flags}),
            "queries": float(standard.columns["queries"].mean()),
            "stages": [
                {name: stage[name] for name in ("name", "broken", "robust_accuracy")}
                for stage in standard.details["stages"]
            ],
            "details": {
                name: value for name, value in standard.details.items() if name not in ("stages", "eps", "norm")
            },
        }
    row["seconds"] = round(time.process_time() - begun, 1)
    begun = time.process_time()
    known = shares(entry, images, labels, eps)
    row |= {"survivors": found.tolist(), "adaptive_survivors": known.tolist()}
    row |= {"adaptive": float(known.mean()), "truth": float(torch.minimum(known, found).mean())}
    return row | {"adaptive_seconds": round(time.process_time() - begun, 1)}


def percent(value: float | None) -> str:
    """A share as the table shows it."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: the models, then how often each flag is raised on honest and on masked ones."""
    lines = ["| model | clean | snn_standard | stronger attack | flags |", "|---|---:|---:|---:|---|"]
    for row in sorted(rows, key=lambda row: (not row["honest"], row["kind"], row["name"])):
        flags = ", ".join(row["flags"]) or ("" if "error" not in row else f"*{row['error'][:120]}*")
        numbers = " | ".join(percent(row.get(name)) for name in ("clean", "snn_standard", "truth"))
        lines.append(f"| {row['name']} | {numbers} | {flags} |")
    raised = [{*row["flags"], *([REFUSED] if "error" in row else [])} for row in rows]
    groups = {"honest": [row["honest"] for row in rows]}
    groups["masked"] = [not row["honest"] and not row["refusal_due"] for row in rows]
    groups["refusal due"] = [row["refusal_due"] for row in rows]
    lines += ["", f"| flag | {' | '.join(groups)} |", f"|---|{'---:|' * len(groups)}"]
    for flag in sorted(set().union(*raised)):
        counts = [
            sum(flag in flags for flags, inside in zip(raised, group, strict=True) if inside)
            for group in groups.values()
        ]
        lines.append(
            f"| {flag} | {' | '.join(f'{n} of {sum(g)}' for n, g in zip(counts, groups.values(), strict=True))} |"
        )
    any_flag = [
        sum(bool(flags) for flags, inside in zip(raised, group, strict=True) if inside) for group in groups.values()
    ]
    lines.append(f"| any | {' | '.join(f'{n} of {sum(g)}' for n, g in zip(any_flag, groups.values(), strict=True))} |")
    high = [row for row in rows if not raised_any(row) and row.get("snn_standard", 0.0) > row["truth"] + 0.05]
    lines += ["", f"More than 5 points too high, and no flag: {', '.join(row['name'] for row in high) or 'none'}."]
    return "\n".join(lines) + "\n"


def members(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown: what each member of the set broke of what all before it left standing, over all models."""
    lines = ["| member | ran on | broke something on | broken | of those it met |", "|---|---:|---:|---:|---:|"]
    runs: dict[str, list[tuple[int, int]]] = {}
    for row in rows:
        right = row.get("clean", 0.0) * row["samples"]
        for stage in row.get("stages", ()):
            runs.setdefault(stage["name"], []).append((stage["broken"], round(right)))
            right -= stage["broken"]
    for name, found in runs.items():
        met = sum(standing for _, standing in found)
        broken = sum(fallen for fallen, _ in found)
        useful = sum(fallen > 0 for fallen, _ in found)
        lines.append(f"| {name} | {len(found)} | {useful} | {broken} | {percent(broken / met if met else None)} |")
    return "\n".join(lines) + "\n"


def raised_any(row: dict[str, Any]) -> bool:
    """Whether the set warned of its number, or gave none."""
    return bool(row["flags"]) or "error" in row


def chosen(beginnings: Sequence[str] | None) -> list[Entry]:
    """The entries whose names begin so, in the order that the beginnings are given in; all, if none are."""
    found = [entry for start in beginnings or [""] for entry in ZOO if entry.name.startswith(start)]
    return list(dict.fromkeys(found))


def main() -> None:
    """Measures what is missing, or prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=None, help="names of models, or beginnings of names")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--out", type=Path, default=Path("runs/zoo"))
    parser.add_argument("--table", action="store_true", help="print the models and their flags")
    parser.add_argument("--members", action="store_true", help="print what each member of the set broke")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path = options.out / "zoo.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if options.table or options.members:
        sys.stdout.write((table(rows) if options.table else "") + (members(rows) if options.members else ""))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    done = {row["name"] for row in rows}
    for entry in chosen(options.only):
        if entry.name in done:
            continue
        row = measured(entry, *held_out(options.count), options.eps)
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        sys.stderr.write(f"{entry.name}: {row.get('snn_standard', row.get('error'))}, truth {row['truth']}\n")


if __name__ == "__main__":
    main()

"""Evidence of a model in a folder of records, which has no suite to say what belongs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_snn.digests import json_digest
from robustbench_snn.errors import UserError, did_you_mean
from robustbench_snn.leaderboard.findings import differences
from robustbench_snn.leaderboard.outcomes import aligned
from robustbench_snn.leaderboard.pairwise.evidence import Evidence, Measured, makers, networks, setting_of
from robustbench_snn.store.files import cell_keys, read_record
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store

Group = dict[str, dict[int, Record]]
"""Records of one setting: by digest of the evaluation, and by training seed."""


def evidence_of_store(root: Path, model: str) -> Evidence:
    """Every evaluation of a model in a store, each part by itself.

    Raises:
        UserError: if there is no such model, or records of one name are of different models.
    """
    paths = [root / "cells" / key / "record.json" for key in cell_keys(root)]
    everything = [read_record(path) for path in paths if path.is_file()]
    known = sorted({record.model for record in everything if record.kind == "evaluate"})
    found = [record for record in everything if record.model == model and record.kind == "evaluate"]
    if not found:
        raise UserError(f"{root} has no model '{model}'.{did_you_mean(model, known)} It has: {', '.join(known) or '-'}")
    trained = {record.weights_sha256: record for record in everything if record.kind == "train"}
    _check_one_model(root, model, found, trained)
    store = Store(root)
    measured: list[Measured] = []
    gaps: dict[str, str] = {}
    for group in _by_setting(found).values():
        seeds = sorted({seed for by_seed in group.values() for seed in by_seed})
        for digest, label in _labels(group).items():
            if lacking := [seed for seed in seeds if seed not in group[digest]]:
                gaps[label] = f"missing: {', '.join(f'seed {seed}' for seed in lacking)}"
                continue
            if one := _measured(label, group[digest], store):
                measured.append(one)
    return Evidence(
        str(root), model, tuple(measured), joined=False, gaps=gaps, weights=networks(found), made_by=makers(found)
    )


def join(parts: Sequence[Measured], like: Measured) -> Measured | None:
    """The parts of a store that are those of ``like``, as one evaluation; None if any is missing.

    Args:
        parts: of one model in one store.
        like: an evaluation of the other side.
    """
    there = {found.part_digests[0]: found for found in parts if found.setting_digest == like.setting_digest}
    if not all(digest in there for digest in like.part_digests):
        return None
    chosen = [there[digest] for digest in like.part_digests]
    return Measured(
        label=like.label,
        name=like.name,
        parts=like.parts,
        setting=like.setting,
        samples=chosen[0].samples,
        by_seed={
            seed: np.mean([aligned(chosen[0].samples, one.samples, one.by_seed[seed], one.label) for one in chosen], 0)
            for seed in chosen[0].by_seed
        },
        flags=tuple(sorted({flag for one in chosen for flag in one.flags})),
        comparable=all(one.comparable for one in chosen),
    )


def _check_one_model(root: Path, model: str, found: Sequence[Record], trained: Mapping[str | None, Record]) -> None:
    """That the seeds of a name are trainings of one model, and each seed one training."""
    first: Mapping[str, Any] | None = None
    weights: dict[int, str] = {}
    for record in found:
        training = trained.get(record.weights_sha256)
        identity = {"model": record.identity["model"]} if training is None else dict(training.identity)
        identity.pop("seed", None)
        first = first or identity
        if other := next(differences(str(root), model, first, identity), None):
            raise UserError(f"{root} has several models '{model}' ({other}); name the suite file of the one you mean")
        if weights.setdefault(record.seed, str(record.weights_sha256)) != record.weights_sha256:
            raise UserError(f"{root} has several trainings of '{model}' with seed {record.seed}; name its suite file")


def _by_setting(found: Sequence[Record]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for record in found:
        group = groups.setdefault(json_digest(setting_of(record)), {})
        group.setdefault(json_digest(record.identity["evaluation"]), {})[record.seed] = record
    return groups


def _labels(group: Group) -> dict[str, str]:
    """Name of each evaluation, with those first parameters that set it apart from others of its name."""
    evaluations = {digest: next(iter(of.values())).identity["evaluation"] for digest, of in group.items()}
    namesakes: dict[str, list[Mapping[str, Any]]] = {}
    for evaluation in evaluations.values():
        namesakes.setdefault(evaluation["name"], []).append(evaluation.get("parameters", {}))
    vary = {name: _varying(parameters) for name, parameters in namesakes.items()}
    labels = {}
    for digest, evaluation in evaluations.items():
        name, parameters = evaluation["name"], evaluation.get("parameters", {})
        apart = [_short(value) for parameter, value in parameters.items() if parameter in vary[name]]
        labels[digest] = " ".join([name, *apart])
    return labels


def _varying(parameters: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the parameters that are not the same everywhere."""
    names = {name for found in parameters for name in found}
    return {name for name in names if any(found.get(name) != parameters[0].get(name) for found in parameters)}


def _short(value: Any) -> str:
    return str(value[0]) if isinstance(value, list) and len(value) == 1 else str(value)


def _measured(label: str, by_seed: Mapping[int, Record], store: Store) -> Measured | None:
    """One part with the outcomes of all seeds; None for an evaluation without any."""
    columns = {seed: store.samples(store.find(record.key).key) for seed, record in sorted(by_seed.items())}
    if not all("correct" in found for found in columns.values()):
        return None
    records = list(by_seed.values())
    samples = next(iter(columns.values()))["id"]
    return Measured(
        label=label,
        name=records[0].identity["evaluation"]["name"],
        parts=(records[0].identity["evaluation"],),
        setting=setting_of(records[0]),
        samples=samples,
        by_seed={seed: aligned(samples, found["id"], found["correct"], label) for seed, found in columns.items()},
        flags=tuple(sorted({flag for record in records for flag in record.flags})),
        comparable=all(record.comparable for record in records),
    )

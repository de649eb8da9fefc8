"""Stored cells that were changed by hand: each is noticed and set aside, none is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from robustbench_snn.digests import file_digest, json_digest
from robustbench_snn.errors import StoreError
from robustbench_snn.store.checks import content_digest
from robustbench_snn.store.records import Record
from robustbench_snn.store.store import Store, read_samples, write_samples
from robustbench_snn.weights.tensors import write_tensors
from tests.stored_cells import CORRECT, evaluate, train

Tamper = Callable[[Path], object]


def edit(change: Callable[[dict[str, Any]], object]) -> Tamper:
    """Changes the JSON of a record."""

    def tamper(folder: Path) -> None:
        path = folder / "record.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return tamper


def put(*place: str, value: Any) -> Tamper:
    """Puts a value into a record."""

    def change(data: dict[str, Any]) -> None:
        for name in place[:-1]:
            data = data[name]
        data[place[-1]] = value

    return edit(change)


def columns(change: Callable[[dict[str, Any]], object]) -> Tamper:
    """Changes the per-sample columns."""

    def tamper(folder: Path) -> None:
        found = dict(read_samples(folder / "samples.parquet"))
        changed = change(found)
        write_samples(folder / "samples.parquet", changed if isinstance(changed, dict) else found)

    return tamper


def resealed(tamper: Tamper) -> Tamper:
    """The same by somebody who also mends the hashes of the files and of the record."""

    def careful(folder: Path) -> None:
        tamper(folder)
        path = folder / "record.json"
        names = [found.name for found in folder.iterdir() if found != path]
        values = json.loads(path.read_text()) | {"files": {name: file_digest(folder / name) for name in names}}
        record = Record.model_validate(values)
        path.write_text(record.model_copy(update={"content_sha256": content_digest(record)}).model_dump_json())

    return careful


def cut(name: str) -> Tamper:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-20])


def remove(name: str) -> Tamper:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Tamper:
    return lambda folder: (folder / name).write_text(text)


def other_weights(folder: Path) -> None:
    write_tensors(folder / "weights.safetensors", {"weight": torch.ones(2, 2), "bias": torch.ones(2)}, {})


INVERTED = columns(lambda found: found.update(correct=~CORRECT))

EVALUATION: dict[str, Tamper] = {
    "outcomes inverted": INVERTED,
    "outcomes inverted, resealed": resealed(INVERTED),
    "outcomes above one, resealed": resealed(columns(lambda found: found.update(correct=np.array([3.0, 0, 0, 0])))),
    "outcomes NaN, resealed": resealed(columns(lambda found: found.update(correct=np.array([np.nan, 1, 1, 1])))),
    "outcomes removed, resealed": resealed(columns(lambda found: found.pop("correct"))),
    "labels changed": columns(lambda found: found.update(label=np.zeros(4, int))),
    "labels removed, resealed": resealed(columns(lambda found: found.pop("label"))),
    "ids doubled, resealed": resealed(columns(lambda found: found.update(id=np.zeros(4, int)))),
    "extra column": columns(lambda found: found.update(extra=np.zeros(4))),
    "a row less, resealed": resealed(columns(lambda found: {name: values[:3] for name, values in found.items()})),
    "accuracy edited": put("metrics", "accuracy", value=0.76),
    "accuracy edited, resealed": resealed(put("metrics", "accuracy", value=0.76)),
    "accuracy edited a little, resealed": resealed(put("metrics", "accuracy", value=0.75 + 1e-8)),
    "accuracy NaN": put("metrics", "accuracy", value=float("nan")),
    "accuracy NaN, resealed": resealed(put("metrics", "accuracy", value=float("nan"))),
    "accuracy removed, resealed": resealed(edit(lambda data: data["metrics"].pop("accuracy"))),
    "another metric edited": put("metrics", "images_per_second", value=9e9),
    "another metric infinite, resealed": resealed(put("metrics", "images_per_second", value=float("inf"))),
    "clean accuracy above one, resealed": resealed(put("metrics", "clean_accuracy", value=1.2)),
    "clean accuracy negative, resealed": resealed(put("metrics", "clean_accuracy", value=-0.1)),
    "identity edited": put("identity", "evaluation", "name", value="pgd"),
    "identity edited, resealed": resealed(put("identity", "evaluation", "name", value="pgd")),
    "peers edited, resealed": resealed(put("identity", "peers", value={"other@0": "x"})),
    "key version edited, resealed": resealed(put("identity", "key_version", value=1)),
    "key edited": put("key", value="b" * 64),
    "key edited, resealed": resealed(put("key", value="b" * 64)),
    "weights edited, resealed": resealed(put("weights_sha256", value="c" * 64)),
    "kind edited, resealed": resealed(put("kind", value="train")),
    "model renamed": put("model", value="better"),
    "seed edited": put("seed", value=7),
    "flags removed": put("flags", value=["zero_gradient"]),
    "comparable edited": put("comparable", value=False),
    "provenance edited": put("provenance", "git_dirty", value=False),
    "details edited": put("details", value={"curve": [1]}),
    "samples edited, resealed": resealed(put("samples", value=400)),
    "samples negative": put("samples", value=-4),
    "parameters negative": put("parameters", value=-1),
    "status edited, resealed": resealed(put("status", value="failed")),
    "older schema, resealed": resealed(put("schema_version", value=1)),
    "unknown field": put("note", value="x"),
    "hash of the record removed": put("content_sha256", value=None),
    "hashes of the files removed": put("files", value={}),
    "record truncated": cut("record.json"),
    "record empty": write("record.json", ""),
    "record other JSON": write("record.json", '{"schema_version": 2}'),
    "record a list": write("record.json", "[]"),
    "record no text": lambda folder: (folder / "record.json").write_bytes(b"\x00\xff"),
    "record missing": remove("record.json"),
    "samples truncated": cut("samples.parquet"),
    "samples truncated, resealed": resealed(cut("samples.parquet")),
    "samples missing": remove("samples.parquet"),
    "samples missing, resealed": resealed(remove("samples.parquet")),
    "a file added": write("arrays.npz", "x"),
}

TRAINING: dict[str, Tamper] = {
    "weights of another training": other_weights,
    "weights of another training, resealed": resealed(other_weights),
    "weights truncated": cut("weights.safetensors"),
    "weights truncated, resealed": resealed(cut("weights.safetensors")),
    "weights missing": remove("weights.safetensors"),
    "weights missing, resealed": resealed(remove("weights.safetensors")),
    "digest edited, resealed": resealed(put("weights_sha256", value="c" * 64)),
    "recipe edited, resealed": resealed(put("identity", "recipe", value="longer")),
    "evaluated samples, resealed": resealed(put("samples", value=10)),
}


@pytest.mark.parametrize("name", EVALUATION)
def test_a_tampered_evaluation_is_set_aside(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    training = train(store)
    found = evaluate(store, training)
    assert store.get(found.key) == found  # so that what was found before must not be remembered
    EVALUATION[name](store.folder(found.key))
    check_set_aside(store, found)
    assert evaluate(store, training).metrics == found.metrics
    assert store.get(training.key) == training


@pytest.mark.parametrize("name", TRAINING)
def test_a_tampered_training_is_set_aside(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    found = train(store)
    TRAINING[name](store.folder(found.key))
    with pytest.raises(StoreError, match="is not in"):
        store.training_of(found)
    check_set_aside(store, found)
    assert train(store).weights_sha256 == found.weights_sha256


def test_a_renamed_folder_is_noticed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second = train(store, 0), train(store, 1)
    store.set_aside(first.key, "made room")
    store.folder(second.key).rename(store.folder(first.key))
    assert store.get(first.key) is None
    assert "is not the name of its folder" in store.reasons()[f"{first.key}.2"]
    assert json_digest(second.identity) == second.key


def check_set_aside(store: Store, record: Record) -> None:
    """The cell is not found by a store that knows it or by a new one, and all its files are kept with a reason."""
    before = sorted(path.name for path in store.folder(record.key).iterdir())
    with pytest.raises(StoreError, match="cannot be used"):
        store.find(record.key[:12])
    assert isinstance(Store(store.root)._checked(store.folder(record.key), record.key), str)
    assert store.get(record.key) is None
    assert not store.folder(record.key).exists()
    aside = store.root / "set_aside" / f"{record.key}.1"
    assert sorted(path.name for path in aside.iterdir()) == sorted([*before, "reason.txt"])
    assert store.reasons()[aside.name]

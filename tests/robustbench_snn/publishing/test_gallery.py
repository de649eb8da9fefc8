"""Pictures of corruptions and spikes: they are what the numbers are of, and what lacks is said and harms nothing."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_snn import corrupt
from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.event.colours import coloured
from robustbench_snn.execution import RunSettings
from robustbench_snn.execution.rebuild import rebuild
from robustbench_snn.leaderboard.versions import load_table
from robustbench_snn.pipeline import run_plan
from robustbench_snn.plan.plan import make_plan
from robustbench_snn.publishing import first_sample, gallery
from robustbench_snn.publishing.gallery import Gallery
from robustbench_snn.publishing.site import site_files
from robustbench_snn.publishing.writing import write_files
from robustbench_snn.reported import load_reported
from robustbench_snn.spec.files import parse_suite
from robustbench_snn.store.store import Store
from tests.robustbench_snn.leaderboard.conftest import Place
from tests.robustbench_snn.publishing.parsed import parse
from tests.tiny_suite import TINY

TABLE = "tiny/v1.0/index.html"


def site(pictured: Place, made: Gallery, folder: Path) -> Path:
    write_files(dict(site_files(pictured.results, made)), folder)
    return folder


def grey(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A strip of digits, one value a pixel of theirs."""
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())))[4::8, 4::8, 0] / 255


def test_corruptions_are_drawn_as_the_table_s_numbers_met_them(pictured: Place, tmp_path: Path) -> None:
    folder = site(pictured, Gallery(), tmp_path / "site")
    page = parse(folder / TABLE)
    strips = [image for image in page.all("img") if image.attrs["src"].startswith("corrupted-")]
    names = ["fog", "gaussian_noise"]
    assert [strip.attrs["alt"].strip("\u2068\u2069").split(":")[0] for strip in strips] == [
        name.replace("_", " ") + "\u2069" for name in names
    ]
    test = load_dataset("digits", limit=20).test
    clean, ids = test.images(torch.tensor([0])), test.ids[:1]
    for name, strip in zip(names, strips, strict=True):
        found = grey(folder / "tiny/v1.0" / strip.attrs["src"])
        wanted = [clean, *(corrupt(clean, name, severity, 0, sample_ids=ids) for severity in (1, 3, 5))]
        assert found.shape == (8, 4 * 9 - 1)
        for number, image in enumerate(wanted):
            assert np.abs(found[:, 9 * number : 9 * number + 8] - image[0, 0].numpy()).max() < 0.003
        assert len((folder / "tiny/v1.0" / strip.attrs["src"]).read_bytes()) < 20_000


def test_spikes_are_those_of_the_published_network(pictured: Place, tmp_path: Path) -> None:
    """Against hooks of our own on the network that the store holds."""
    folder = site(pictured, Gallery(), tmp_path / "site")
    page = parse(folder / "tiny/v1.0/entries/direct.html")
    (table,) = [found for found in page.all("table") if "by layer and step" in next(found.all("caption")).text]
    shown = {
        next(row.all("th")).text: [int(cell.text) for cell in row.all("td")]
        for row in next(table.all("tbody")).all("tr")
    }
    store, published = Store(pictured.store), load_table(pictured.results, "tiny")
    (key,) = published.rows[0].training
    training = store.get(key)
    assert training is not None
    target = rebuild(store, training)
    image = load_dataset("digits", limit=20).test.images(torch.tensor([0]))
    with torch.no_grad():
        target(image)
    found: dict[str, torch.Tensor] = {}
    for name, module in target.model.named_modules():
        if module in target.neurons:
            module.register_forward_hook(lambda _, inputs, output, name=name: found.update({name: output[:, :1]}))
    with torch.no_grad():
        target(image)
    assert shown == {
        name: [round(100 * float((step != 0).float().mean())) for step in steps] for name, steps in found.items()
    }
    assert any(any(rates) for rates in shown.values())
    first = next(steps for steps in found.values() if steps.ndim == 5)
    (picture,) = [image for image in page.all("img") if image.attrs["src"].endswith("-spikes.png")]
    assert picture.attrs["alt"]
    side = first.shape[-1]
    drawn = np.asarray(Image.open(folder / "tiny/v1.0/entries" / picture.attrs["src"]))
    scale = drawn.shape[0] // side
    pixels = drawn[scale // 2 :: scale, scale // 2 :: scale, 0] / 255
    maps = (first[:, 0] != 0).float().mean(1).numpy()
    for step, plane in enumerate(maps / maps.max()):
        assert np.abs(pixels[:, step * (side + 1) : step * (side + 1) + side] - plane).max() < 0.003


def test_a_store_has_pictures_and_weights_that_the_version_lacks(pictured: Place, tmp_path: Path) -> None:
    shutil.copytree(pictured.results, tmp_path / "results", ignore=shutil.ignore_patterns("weights"))
    bare = Place(pictured.store, tmp_path / "results")
    without, made = Gallery(), Gallery(Store(bare.store))
    lacking = parse(site(bare, without, tmp_path / "without") / "tiny/v1.0/entries/direct.html")
    assert "No pictures of spikes: no weights of it are in this version" in lacking.text
    assert without.missing == [
        "no pictures of attacks: no store was named (1 page)",
        "no pictures of spikes: no weights of it are in this version (1 page)",
    ]
    page = parse(site(bare, made, tmp_path / "with") / "tiny/v1.0/entries/direct.html")
    assert len(list(page.all("img"))) == 2
    assert made.missing == []


def test_the_reported_set_that_the_suite_names_is_on_the_page(pictured: Place, tmp_path: Path) -> None:
    page = parse(site(pictured, Gallery(), tmp_path / "site") / TABLE)
    (section,) = [element for element in page.all("section") if element.attrs.get("class") == "reported"]
    assert sum(len(list(body.all("tr"))) for body in section.all("tbody")) == load_reported("tdformer").count
    kinds = [span.text for span in section.all("span") if span.attrs.get("class") == "kind"]
    assert kinds == ["reported"] * load_reported("tdformer").count


@pytest.mark.parametrize("error", [UserError("it is <b>not</b> here"), ZeroDivisionError(), MemoryError("too large")])
def test_whatever_goes_wrong_is_said_and_the_site_is_whole(
    error: Exception, pictured: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = set(dict(site_files(pictured.results, Gallery())))

    def broken(*_: object) -> None:
        raise error

    for module, name in (
        (first_sample, "load_dataset"),
        (gallery, "pictures"),
    ):
        monkeypatch.setattr(module, name, broken)
    made = Gallery(Store(pictured.store))
    folder = site(pictured, made, tmp_path / "site")
    assert {name for name in whole if not name.endswith(".png")} <= {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }
    assert len(made.missing) == 3
    reason = str(error) or "ZeroDivisionError"
    assert reason in parse(folder / TABLE).text or not str(error)
    assert "No pictures of spikes: the dataset digits cannot be loaded here" in (
        parse(folder / "tiny/v1.0/entries/direct.html").text
    )


def test_another_dataset_of_the_same_name_is_not_drawn(
    pictured: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(load_dataset("digits"), fingerprint="f" * 64)
    monkeypatch.setattr(first_sample, "load_dataset", lambda name: other)
    made = Gallery()
    assert "No pictures of corruptions: the dataset digits as it is loaded here is not the table's" in (
        parse(site(pictured, made, tmp_path / "site") / TABLE).text
    )


@pytest.mark.slow
def test_events_are_drawn_added_up_in_colours(tmp_path: Path) -> None:
    written = TINY | {
        "dataset": {"name": "digits_events", "limit": 8, "train_limit": 32},
        "backbone": {"spikformer": {"depth": 1, "width": 128, "heads": 4, "pooling": "1110"}},
        "models": [{"name": "frames", "encoder": "events"}],
        "evaluations": [
            "clean",
            {"event_corruptions": {"types": ["polarity_flip", "time_jitter"], "severities": [5]}},
            {"event_l0": {"budgets": [2, 10], "steps": 2, "keep_images": 2}},
        ],
    }
    spec = parse_suite(written, "suite.yaml")
    dataset = load_dataset(spec.dataset.name, **spec.dataset.parameters)
    store, results = tmp_path / "runs", tmp_path / "results"
    run_plan(make_plan(spec, dataset), store, results, RunSettings(), mode="publish")
    made = Gallery(Store(store))
    folder = tmp_path / "site"
    write_files(dict(site_files(results, made)), folder)
    assert not [line for line in made.missing if "spikes" not in line]

    flipped = np.asarray(Image.open(folder / "tiny/v1.0/corrupted-1.png"))[2::4, 2::4] / 255
    frames = dataset.test.images(torch.tensor([0])).sum(1)
    most = float(frames.max())
    assert flipped.shape == (16, 4 * 17 - 1, 3)
    assert np.abs(flipped[:, :16] - coloured(frames[0], most).movedim(0, -1).numpy()).max() < 0.003
    mixed = np.asarray(Image.open(folder / "tiny/v1.0/corrupted-2.png"))
    assert mixed.shape == (64, 4 * 68 - 4, 3)
    attacked = np.asarray(Image.open(folder / "tiny/v1.0/entries/frames-pictures-3.png"))
    assert attacked.shape[0] == 3 * 64

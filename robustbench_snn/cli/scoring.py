"""Scoring adversarial images from outside: rbsnn score."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from robustbench_snn.cli import completion
from robustbench_snn.cli.console import output, print_json
from robustbench_snn.cli.options import Plugins, load_plugins
from robustbench_snn.errors import UserError


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(score)


def score(
    suite: Annotated[
        str, typer.Argument(help="The suite that the stored result is of.", autocompletion=completion.suites)
    ],
    record: Annotated[str, typer.Argument(help="Key of the stored attack's record, or its first characters.")],
    images: Annotated[
        Path, typer.Argument(help="An .npz with ids (M,) and images (M, C, H, W), uint8 on 0..255 or float in [0, 1].")
    ],
    overrides: Annotated[list[str] | None, typer.Option("--set", help="As of rbsnn run. Repeatable.")] = None,
    store: Annotated[Path, typer.Option(envvar="RBSNN_STORE", help="Folder of the records.")] = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Plugins = None,
) -> None:
    """Lower a stored robust accuracy by what adversarial images from outside break; it never rises.

    Images of 8-bit pixels may be half a grey level further from the clean ones than eps, in every pixel.
    """
    from robustbench_snn.attack.ball import Ball
    from robustbench_snn.attack.external import ExternalSet
    from robustbench_snn.attack.external import score as lowered
    from robustbench_snn.dataset import load_dataset
    from robustbench_snn.evaluation.contract import Subject
    from robustbench_snn.execution.rebuild import rebuild
    from robustbench_snn.spec.files import load_suite
    from robustbench_snn.store.store import Store

    load_plugins(plugin)
    spec = load_suite(suite, list(overrides or []))
    records = Store(store)
    stored = records.find(record)
    eps, norm = stored.details.get("eps"), stored.details.get("norm")
    if not isinstance(eps, int | float) or not 0.0 < eps < math.inf or norm not in ("linf", "l2"):
        raise UserError(f"the record {stored.key[:12]} ({stored.kind} of {stored.model}) is not one of an attack")
    dataset = load_dataset(spec.dataset.name, **spec.dataset.parameters)
    samples = dataset.test.first(stored.samples)
    if (
        samples.digest() != stored.identity["samples"]
        or dataset.fingerprint != stored.identity["dataset"]["fingerprint"]
    ):
        raise UserError(f"the record {stored.key[:12]} was computed on other samples than those of {suite}")
    subject = Subject(rebuild(records, stored), samples, seed=spec.evaluation_seed)
    outcome = lowered(ExternalSet.load(images), subject, Ball(eps, norm), records.samples(stored.key))
    if as_json:
        print_json({"metrics": dict(outcome.metrics), "details": dict(outcome.details), "flags": list(outcome.flags)})
        return
    details = outcome.details
    output.print(
        f"{stored.model}: {outcome.metrics['before']:.1%} before, {outcome.metrics['accuracy']:.1%} with these images "
        f"({details['images']} images, {details['lowered']} broke a sample that stood, {details['rejected']} rejected)",
        highlight=False,
        soft_wrap=True,
    )

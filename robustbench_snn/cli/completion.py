"""What the shell proposes for an argument; nothing here imports torch, so that a key press does not wait for it."""

from __future__ import annotations

from pathlib import Path

import click

from robustbench_snn.errors import UserError


def kinds(incomplete: str) -> list[str]:
    """Kinds of what can be listed."""
    from robustbench_snn.cli.catalogue import all_kinds

    return [kind for kind in all_kinds() if kind.startswith(incomplete)]


def names(ctx: click.Context, incomplete: str) -> list[str]:
    """Names of the kind that stands before."""
    from robustbench_snn.cli.catalogue import names_of

    try:
        found = names_of(str(ctx.params.get("kind", "")))
    except UserError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def encoder_names(incomplete: str) -> list[str]:
    """Names of encoders."""
    from robustbench_snn.cli.catalogue import names_of

    return [name for name in names_of("encoders") if name.startswith(incomplete)]


def suites(incomplete: str) -> list[str]:
    """Shipped suites, and the YAML files of the folder."""
    from robustbench_snn.spec.files import shipped_suites

    here = sorted(str(path) for path in Path().glob("*.yaml"))
    return [name for name in [*shipped_suites(), *here] if name.startswith(incomplete)]


def flags(incomplete: str) -> list[str]:
    """Flags of leaderboards."""
    from robustbench_snn.evaluation.flags import FLAGS

    return [name for name in FLAGS if name.startswith(incomplete)]


def tables(ctx: click.Context, incomplete: str) -> list[str]:
    """Published tables in the folder of ``--results``."""
    from robustbench_snn.leaderboard.versions import tables as published

    return [name for name in published(Path(ctx.params.get("results") or "results")) if name.startswith(incomplete)]

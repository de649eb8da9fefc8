"""What can be named besides components: suites, recipes, flags, reported numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from robustbench_snn.errors import UnknownNameError, did_you_mean

OTHERS = ("recipes", "suites", "flags", "reported")
"""Kinds that no registry holds."""


def all_kinds() -> list[str]:
    """Every kind, in the plural."""
    from robustbench_snn.registry import KINDS

    return [*KINDS, *OTHERS]


def kind_of(written: str) -> str:
    """The plural of a kind, given in either number.

    Raises:
        UnknownNameError: if there is none, with the nearest one.
    """
    known = all_kinds()
    for plural in known:
        if written in (plural, plural.removesuffix("s")):
            return plural
    raise UnknownNameError(f"Unknown kind '{written}'.{did_you_mean(written, known)} There are: {', '.join(known)}")


def names_of(kind: str) -> Sequence[str]:
    """All names of a kind, in either number."""
    from robustbench_snn.registry import KINDS

    plural = kind_of(kind)
    return KINDS[plural].names() if plural in KINDS else [row["name"] for row in rows_of(plural)]


def rows_of(kind: str) -> list[dict[str, Any]]:
    """Name and summary of everything of one of :data:`OTHERS`."""
    if kind == "suites":
        from robustbench_snn.spec.files import shipped_suites

        return [{"name": name, "summary": str(_suite(name)[1].get("description", ""))} for name in shipped_suites()]
    if kind == "recipes":
        from robustbench_snn.training.catalogue import recipes

        return [{"name": name, "summary": recipes.summary(name)} for name in recipes]
    if kind == "flags":
        from robustbench_snn.evaluation.flags import known_flags

        first = {name: meaning.split(". ")[0].rstrip(".") for name, meaning in known_flags().items()}
        return [{"name": name, "summary": f"{sentence}."} for name, sentence in first.items()]
    from robustbench_snn.reported import load_reported, shipped_reported

    found = [load_reported(name) for name in shipped_reported()]
    return [{"name": one.name, "summary": f"{one.title}: {one.count} numbers"} for one in found]


def facts_of(kind: str, name: str) -> dict[str, Any]:
    """All that is known of one of :data:`OTHERS`; ``text`` is what people read.

    Raises:
        UserError: if there is none of this name.
    """
    if kind == "suites":
        text, data = _suite(name)
        return {"name": name, "kind": "suite", "text": text, "suite": data}
    if kind == "recipes":
        import yaml

        from robustbench_snn.training.catalogue import recipes

        values = recipes.get(name).model_dump(mode="json")
        text = f"{recipes.summary(name)}\n\n{yaml.safe_dump(values, sort_keys=False)}"
        return {"name": name, "kind": "recipe", "text": text, "recipe": values}
    if kind == "flags":
        from robustbench_snn.evaluation.flags import explain

        return {"name": name, "kind": "flag", "text": explain(name)}
    from robustbench_snn.reported import load_reported

    found = load_reported(name)
    lines = [found.title]
    for group in found.groups:
        lines += ["", f"{group.metric} on {group.dataset}, {group.unit}: {group.protocol} ({group.source})"]
        for number in group.numbers:
            told = [number.model, number.of, number.timesteps and f"T = {number.timesteps}"]
            spread = "" if number.sd is None else f" ± {number.sd:g}"
            lines.append(f"  {', '.join(map(str, filter(None, told)))}: {number.value:g}{spread}")
    return {"name": name, "kind": "reported", "text": "\n".join(lines), "set": found.model_dump(mode="json")}


def _suite(name: str) -> tuple[str, dict[str, Any]]:
    from robustbench_snn.spec.files import read_suite, read_suite_text

    return read_suite_text(name)[0], read_suite(name)[0]

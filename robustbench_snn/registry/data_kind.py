"""Whether a component takes the kind of data that a dataset has: images, or event frames."""

from __future__ import annotations

from robustbench_snn.registry import KINDS
from robustbench_snn.registry.traits import Takes

WORDS = {"images": "images", "events": "event frames", "both": "images and event frames"}


def fits(takes: Takes, *, events: bool) -> bool:
    """Whether a component that takes this is served by event frames, or by images."""
    return takes == "both" or (takes == "events") == events


def takers(kind: str, *, events: bool) -> list[str]:
    """Names of all components, presets included, that take event frames, or images.

    Args:
        kind: which registry, in the plural: ``encoders`` or ``evaluations``.
        events: event frames, not images.
    """
    registry = KINDS[kind]
    return [name for name in registry.names() if fits(registry.declaration(name).traits.takes, events=events)]


def unfit(kind: str, name: str, takes: Takes, *, events: bool, data: str) -> str | None:
    """The one message about a component that does not take a kind of data; None if it does.

    Args:
        kind: which registry, in the plural: ``encoders`` or ``evaluations``.
        name: the component's.
        takes: what it declares.
        events: the data are event frames.
        data: whose they are: a dataset's name, or "the task".
    """
    if fits(takes, events=events):
        return None
    registry, has = KINDS[kind], WORDS["events" if events else "images"]
    named = [known for known in takers(kind, events=events) if not registry.declaration(known).preset]
    return (
        f"{registry.kind} '{name}' takes {WORDS[takes]}, and {data} has {has}; "
        f"{kind} that take {has}: {', '.join(named) or 'none'}"
    )

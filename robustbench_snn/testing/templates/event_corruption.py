"""Template title: say here what it does and where it is from (authors, year, arXiv id)."""

from __future__ import annotations

from robustbench_snn.plugins import Events, SampleRandom, register_event_corruption


@register_event_corruption(
    "template_name",
    version=1,
    on="events",
    stochastic=True,
    severities=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
)
def template_name(events: Events, random: SampleRandom, share: float) -> Events:
    """One line for listings: every event is lost with the same chance.

    Args:
        events: one recording, in the order of time; with ``on="frames"`` this is float32 (F, 2, H, W), whole counts.
        random: one stream: all randomness comes from it, as (1, ...).
        share: the chance, the only entry of a severity's row.
    """
    return events.kept(random.uniform(len(events))[0] >= share)

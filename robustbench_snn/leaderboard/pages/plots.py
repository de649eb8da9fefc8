"""Small plots beside the markdown of a version: every model's accuracy with its interval, an SVG an evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from robustbench_snn.leaderboard.pages.escaping import html, visible
from robustbench_snn.leaderboard.pages.grid import accuracy_columns, best_first
from robustbench_snn.leaderboard.table import Row, Table

MOST = 25
"""Models that a plot shows, the best."""

_LETTERS, _LEFT, _WIDTH, _LINE, _TOP = 26, 190, 620, 22, 8
# Embedded as a picture, a plot cannot take the colours of its page: it asks for the reader's scheme itself.
_STYLE = (
    ".ground{fill:#fff}text{font:13px sans-serif;fill:#3d444d}.grid{stroke:#d1d9e0}.bar{stroke:#0b5a8a;stroke-width:2}"
    ".dot{fill:#0b5a8a}.base{stroke:#b34700;stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){.ground{fill:#0d1117}text{fill:#d1d7e0}.grid{stroke:#3d444d}.bar{stroke:#7cc4f0}"
    ".dot{fill:#7cc4f0}.base{stroke:#ff9d5c}}"
)


def plots(table: Table) -> dict[str, tuple[str, str]]:
    """File name and SVG by the label of every evaluation that has accuracies."""
    return {
        label: (f"plot-{number}.svg", _plot(table, label)) for number, label in enumerate(accuracy_columns(table), 1)
    }


def _plot(table: Table, label: str) -> str:
    """Models from above, the best first, over an axis from 0 to 100 %; a dashed line is the baseline's accuracy."""
    rows = [
        row for row in best_first(table.rows, label) if label in row.cells and row.cells[label].accuracy is not None
    ]
    shown = rows[:MOST]
    bottom = _TOP + _LINE * len(shown)
    note = f"; the best {MOST} of {len(rows)} models" if len(rows) > MOST else ""
    title = html(f"{label}: accuracy in percent{note}")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 46}" width="{_WIDTH}" role="img">',
        f'<title>{title}</title><style>{_STYLE}</style><rect class="ground" width="100%" height="100%"/>',
    ]
    for tick in range(0, 101, 20):
        parts.append(f'<path class="grid" d="M{_x(tick / 100)} {_TOP}V{bottom}"/>')
        parts.append(f'<text x="{_x(tick / 100)}" y="{bottom + 17}" text-anchor="middle">{tick}</text>')
    parts.append(f'<text x="{_x(0.5)}" y="{bottom + 38}" text-anchor="middle">{title}</text>')
    baselines = [row.cells[label].accuracy for row in rows if row.model == table.baseline]
    parts += [f'<path class="base" d="M{_x(share)} {_TOP}V{bottom}"/>' for share in baselines if share is not None]
    for number, row in enumerate(shown):
        parts += _mark(row, label, _TOP + _LINE * number + _LINE // 2)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _mark(row: Row, label: str, y: int) -> Iterator[str]:
    """A model's name, its accuracy, and the interval where there is one."""
    score, name = row.cells[label], visible(row.model)
    assert score.accuracy is not None
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    told = f"{name}: {100 * score.accuracy:.1f}"
    yield f'<text x="{_LEFT - 10}" y="{y + 4}" text-anchor="end" unicode-bidi="plaintext">{html(short)}</text>'
    if score.low is not None and score.high is not None:
        yield f'<path class="bar" d="M{_x(score.low)} {y}H{_x(score.high)}"/>'
        told += f", interval {100 * score.low:.1f} to {100 * score.high:.1f}"
    yield f'<circle class="dot" cx="{_x(score.accuracy)}" cy="{y}" r="4"><title>{html(told)}</title></circle>'


def _x(share: float) -> float:
    """Where an accuracy in [0, 1] is drawn."""
    return round(_LEFT + share * (_WIDTH - _LEFT - 20), 1)

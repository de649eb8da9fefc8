"""Starting points for new components: a working file and its test."""

from __future__ import annotations

import keyword
from importlib.resources import files
from pathlib import Path
from string import Template

from robustbench_snn.errors import UserError
from robustbench_snn.registry import KINDS

TEMPLATES = ("encoder", "backbone", "evaluation", "attack", "estimator", "corruption", "event_corruption", "dataset")
"""The kinds that ``rbsnn new`` writes: those that have a conformance kit."""

_TEST = Template('''"""Conformance of $name; add what only its author knows: a test of its formula."""

from __future__ import annotations

from pathlib import Path

from robustbench_snn.plugins import load_plugin
from robustbench_snn.testing import $kit

load_plugin(Path(__file__).with_name("$name.py"))


class Test$cls($kit):
    """Every check of the kit; the same as ``rbsnn check $kind $name.py``."""

    component = "$name"
''')

_FORMULA = Template('''"""Conformance of $name, and what only its author knows: its formula."""

from __future__ import annotations

from pathlib import Path

import torch

from robustbench_snn.plugins import Stem, load_plugin
from robustbench_snn.registry import encoders
from robustbench_snn.testing import EncoderConformance
from robustbench_snn.testing.models import make_task, sample_images

load_plugin(Path(__file__).with_name("$name.py"))


class Test$cls(EncoderConformance):
    """Every check of the kit; the same as ``rbsnn check encoder $name.py``."""

    component = "$name"


def test_frames_follow_the_formula() -> None:
    """Against a computation that shares no code with the encoder."""
    task = make_task()
    images = sample_images(task, 2)
    frames = encoders.create("$name", Stem(task, 16), decay=0.5).frames(images, 3)
    for t in range(3):
        torch.testing.assert_close(frames[t], (images - 0.5) / 0.29 * 0.5**t)
''')


def new_component(kind: str, name: str, folder: str | Path) -> list[Path]:
    """Writes ``NAME.py``, a working component, and ``test_NAME.py``, which passes.

    Args:
        kind: one of :data:`TEMPLATES`.
        name: the component's name in suite files: lower case, digits and underscores.
        folder: where to write; made if missing.

    Returns:
        The two files.

    Raises:
        UserError: if there is no template of this kind, the name is no Python identifier in lower case or is taken,
            a file is there already, or the folder cannot be written.
    """
    if kind not in TEMPLATES:
        raise UserError(f"rbsnn new writes {', '.join(TEMPLATES)}; not '{kind}'")
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name) or name.startswith("_"):
        raise UserError(
            f"'{name}' cannot name a component; use lower-case letters, digits and underscores, as in my_code"
        )
    if name in KINDS[f"{kind}s"]:
        raise UserError(f"{kind} '{name}' exists already (rbsnn describe {kind} {name}); choose another name")
    place = Path(folder)
    component, test = place / f"{name}.py", place / f"test_{name}.py"
    if taken := [str(file) for file in (component, test) if file.exists()]:
        raise UserError(f"{', '.join(taken)} exists already; remove it or choose another name or folder")
    cls, kit = ("".join(part.capitalize() for part in words.split("_")) for words in (name, kind))
    template = _FORMULA if kind == "encoder" else _TEST
    texts = {
        component: _component(kind, name, cls),
        test: template.substitute(kind=kind, name=name, cls=cls, kit=f"{kit}Conformance"),
    }
    try:
        place.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {place}: {error.strerror}; choose another folder") from None
    return [component, test]


def _component(kind: str, name: str, cls: str) -> str:
    """The template of a kind under the names given."""
    text = files("robustbench_snn.testing.templates").joinpath(f"{kind}.py").read_text(encoding="utf-8")
    title = name.replace("_", " ").capitalize()
    return text.replace("template_name", name).replace("TemplateName", cls).replace("Template title", title)

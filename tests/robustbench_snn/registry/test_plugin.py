"""Plug-in files that fail in any way end in one message, and a signal still gets through."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from robustbench_snn.errors import Stopped, UserError
from robustbench_snn.registry import load_plugin, models
from robustbench_snn.registry.plugin import PREFIX

MODEL = '''
import sys
from robustbench_snn.errors import Stopped
from robustbench_snn.plugins import register_model

@register_model("{name}", version=1)
def made(task):
    """Fails."""
    {body}
'''


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise BaseException('whole')", "BaseException: whole"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("def broken(", "SyntaxError"),
        ("x = 1\0", "null bytes"),
        ("import nowhere_at_all", "nowhere_at_all"),
    ],
)
def test_a_file_that_fails_is_one_message(tmp_path: Path, body: str, reason: str) -> None:
    file = tmp_path / "failing.py"
    file.write_text(body)
    for _ in range(2):  # nothing of the first try is left
        with pytest.raises(UserError, match=reason):
            load_plugin(file)
    assert f"{PREFIX}failing" not in sys.modules


@pytest.mark.parametrize("name", ["nowhere.py", "folder.py", "pipe.py", "plain.txt", "n" * 300 + ".py"])
def test_what_is_no_python_file_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "plain.txt").write_text("x = 1")
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(UserError, match="plug-in"):
        load_plugin(tmp_path / name)


def test_a_signal_goes_through(tmp_path: Path) -> None:
    file = tmp_path / "stopped.py"
    file.write_text("from robustbench_snn.errors import Stopped\nraise Stopped(15)")
    with pytest.raises(Stopped):
        load_plugin(file)
    file.write_text(MODEL.format(name="plugin_stopped", body="raise Stopped(15)"))
    load_plugin(file)
    with pytest.raises(Stopped):
        models.create("plugin_stopped", None)


def test_a_model_that_cannot_be_made_is_one_message_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "exits.py"
    file.write_text(MODEL.format(name="plugin_exits", body="sys.exit(0)"))
    load_plugin(file)
    with pytest.raises(UserError, match=r"plugin_exits cannot be made: SystemExit: 0 \(in exits.py, line 9\)"):
        models.create("plugin_exits", None)

"""Uploads by the hub's own library, to a hub on this machine: what arrives, what is said, and where the token goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from robustbench_snn.publishing.hub import Hub, hub_files
from tests.fixture_types import RunCommand
from tests.robustbench_snn.cli.fake_hub import FakeHub, serving
from tests.robustbench_snn.publishing import tables_of_all_kinds

pytest.importorskip("huggingface_hub")
TOKEN = "hf_" + "NotToBeSeenAnywhere"
Publish = Callable[..., CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub(TOKEN)) as found:
        yield found


@pytest.fixture
def publish(rbsnn: RunCommand, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publish]:
    """``rbsnn publish --to hub --owner me`` with more arguments; nothing that it writes or says has the token."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    tables_of_all_kinds.publish(tmp_path / "results", {"Direct": 0.3, "a=b": 0.6})
    said = []

    def run(*arguments: object, **environment: str) -> CompletedProcess[str]:
        where = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "127.0.0.1"}
        found = rbsnn("publish", "--to", "hub", "--owner", "me", *arguments, **where, **environment)
        said.append(found.stdout + found.stderr)
        return found

    yield run
    assert said
    assert TOKEN not in "".join(said)


def expected(tmp_path: Path, prefix: str) -> dict[str, bytes]:
    files = dict(hub_files(tmp_path / "results", Hub("me")))
    return {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}


def test_one_commit_makes_the_dataset_repository_what_the_folder_holds(
    publish: Publish, hub: FakeHub, tmp_path: Path
) -> None:
    files = expected(tmp_path, "datasets/tab/")
    del files["eval.yaml"]
    for _ in range(2):  # a repository that is there is taken as it is
        found = publish(HF_TOKEN=TOKEN)
        assert found.returncode == 0, found.stderr
        assert f"uploaded: {hub.url}/datasets/me/tab/commit/1" in found.stdout
        (commit,) = hub.commits
        assert (commit.repository, commit.message, commit.pull_request) == ("datasets/me/tab", "tab v1.0", False)
        assert commit.files == files
        hub.commits.clear()
    assert hub.repositories == {"datasets/me/tab"}
    assert publish("--benchmark", HF_TOKEN=TOKEN).returncode == 0
    assert hub.commits[0].files == expected(tmp_path, "datasets/tab/")
    tokens = {token for what, token in hub.asked if what != "GET /api/agent-harnesses"}
    assert tokens == {f"Bearer {TOKEN}"}


def test_models_that_are_named_get_a_pull_request_and_are_never_made(
    publish: Publish, hub: FakeHub, tmp_path: Path
) -> None:
    named = ("--model", "a=b=other/network")
    missing = publish(*named, HF_TOKEN=TOKEN)
    assert missing.returncode == 2
    assert "no model repository other/network" in missing.stderr
    assert "HTTP 404" in missing.stderr
    assert hub.repositories == {"datasets/me/tab"}
    hub.repositories.add("models/other/network")
    hub.commits.clear()
    found = publish(*named, HF_TOKEN=TOKEN)
    assert found.returncode == 0, found.stderr
    assert f"uploaded: {hub.url}/models/other/network/discussions/1" in found.stdout
    assert [(commit.repository, commit.pull_request) for commit in hub.commits] == [
        ("datasets/me/tab", False),
        ("models/other/network", True),
    ]
    (content,) = [found for name, found in expected(tmp_path, "models/tab/").items() if name.startswith("a-b")]
    assert hub.commits[1].files == {".eval_results/tab.yaml": content}


def test_the_library_s_own_store_has_the_token_too(publish: Publish, hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/token").write_text(TOKEN)
    assert publish().returncode == 0
    assert len(hub.commits) == 1


def test_a_dry_run_shows_every_file_and_asks_nothing(publish: Publish, hub: FakeHub, tmp_path: Path) -> None:
    found = publish("--dry-run", "--model", "Direct=other/network", HF_TOKEN=TOKEN)
    assert found.returncode == 0, found.stderr
    assert hub.asked == []
    shown = [tuple(line.split()) for line in found.stdout.splitlines()]
    files = {name: content for name, content in expected(tmp_path, "datasets/tab/").items() if name != "eval.yaml"}
    assert {(f"{len(content):,}", name) for name, content in files.items()} <= set(shown)
    assert "model repository other/network: 1 files" in found.stdout
    assert "nothing was uploaded" in found.stdout


def test_without_a_token_nothing_is_uploaded(publish: Publish, hub: FakeHub) -> None:
    found = publish()
    assert found.returncode == 2
    assert "hf auth login" in found.stderr
    assert not hub.repositories


def test_a_token_that_the_hub_does_not_know(publish: Publish, hub: FakeHub) -> None:
    found = publish(HF_TOKEN="hf_another")
    assert found.returncode == 2
    assert "HTTP 401" in found.stderr
    assert "hf_another" not in found.stdout + found.stderr
    assert not hub.commits


@pytest.mark.parametrize(
    ("ending", "status", "words"),
    [
        ("/repos/create", 403, "may not write to me/tab"),
        ("/commit/main", 400, "the hub refuses it (HTTP 400: as the test wishes)"),
        ("/commit/main", 0, "see whether me/tab has the files"),
        ("/repos/create", 0, "the hub cannot be reached"),
    ],
)
def test_what_the_hub_refuses_or_drops_is_said(
    ending: str, status: int, words: str, publish: Publish, hub: FakeHub
) -> None:
    hub.answers[ending] = status
    found = publish(HF_TOKEN=TOKEN)
    assert found.returncode == 2, found.stdout
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert "uploaded" not in found.stdout


def test_a_hub_that_is_not_there(publish: Publish) -> None:
    found = publish(HF_TOKEN=TOKEN, HF_HUB_OFFLINE="1")
    assert found.returncode == 2
    assert "HF_HUB_OFFLINE" in found.stderr


def test_a_missing_library_is_named(publish: Publish, hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "huggingface_hub.py").write_text("raise ModuleNotFoundError('No module named huggingface_hub')")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).resolve().parents[3])])
    found = publish(HF_TOKEN=TOKEN, PYTHONPATH=path)
    assert found.returncode == 2
    assert 'pip install "robustbench_snn[hub]"' in found.stderr
    assert not hub.asked


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("Direkt=me/x", "Did you mean 'Direct'?"),
        ("Direct=x", "OWNER/NAME, got 'x'"),
        ("Direct", "MODEL=OWNER/NAME"),
    ],
)
def test_models_that_cannot_be_meant(named: str, words: str, publish: Publish, hub: FakeHub) -> None:
    found = publish("--model", named, HF_TOKEN=TOKEN)
    assert found.returncode == 2
    assert words in found.stderr
    assert not hub.asked

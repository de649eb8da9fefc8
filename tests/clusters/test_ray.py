"""Two Ray nodes on this machine: the numbers of one process, also where a worker is killed in the middle."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.execution import executor_of
from robustbench_snn.execution.executor import computed
from tests.clusters.planned import left_by, numbers, session
from tests.waiting import waited

pytest.importorskip("ray", reason="needs the extra: pip install 'robustbench_snn[ray]'")
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
UNRULY = ROOT / "tests" / "robustbench_snn" / "execution" / "unruly.py"


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes with one core each."""
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(ROOT)
    nodes: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    yield nodes.address
    nodes.shutdown()
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


def ray_workers() -> list[int]:
    """Processes that compute a task now."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if place.read_bytes().startswith(b"ray::_compute"):
                found.append(int(place.parent.name))
        except OSError:  # it has ended
            continue
    return found


def test_two_nodes_find_the_numbers_of_one_process_though_a_worker_is_killed(
    cluster: str, reference: dict[str, Any], tmp_path: Path
) -> None:
    run = session(tmp_path, executor=f"ray:{cluster}")
    killed: list[int] = []

    def kill() -> None:
        assert waited(ray_workers)
        killed.extend(ray_workers()[:1])
        os.kill(killed[0], signal.SIGKILL)

    thread = Thread(target=kill)
    thread.start()
    found = left_by(run)
    thread.join()
    assert killed
    assert numbers(run, found) == reference


def test_nodes_that_do_not_see_the_store_send_what_they_find(
    cluster: str, reference: dict[str, Any], tmp_path: Path
) -> None:
    run = session(tmp_path, executor=f"ray:{cluster}")
    executor: Any = executor_of(run)
    executor.token.unlink()
    found = {cell.title: record for cell, record in computed(executor)}
    assert numbers(run, found) == reference
    assert not list((tmp_path / "work").iterdir())


def test_a_cell_that_kills_every_worker_fails_and_stops_no_other(cluster: str, tmp_path: Path) -> None:
    from robustbench_snn.registry import load_plugin

    load_plugin(UNRULY)
    changes = {"models": [{"name": "direct", "encoder": "direct"}], "evaluations": [{"unruly": {}}, "clean"]}
    found = left_by(session(tmp_path, changes, executor=f"ray:{cluster}", plugins=(str(UNRULY),)))
    failure = found["unruly on direct, seed 0"].failure
    assert failure is not None
    assert failure.message.startswith("Ray gave it up: ")
    assert found["clean on direct, seed 0"].status == "done"


def test_a_cluster_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Ray cannot be reached at 127\.0\.0\.1:1"):
        executor_of(session(tmp_path, executor="ray:127.0.0.1:1"))

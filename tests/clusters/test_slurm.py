"""Slurm on this machine, if it is installed, else submitit's processes: the numbers of one process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from robustbench_snn.errors import UserError
from robustbench_snn.execution import executor_of
from robustbench_snn.spec.resources import Resources
from tests.clusters.planned import left_by, numbers, session
from tests.waiting import waited

pytest.importorskip("submitit", reason="needs the extra: pip install 'robustbench_snn[slurm]'")
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
NodeName={host} CPUs=2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm of one node with two cores: Debian's slurmctld, slurmd and munge, none of its own services."""
    missing = [name for name in ("slurmctld", "slurmd", "munged", "mungekey") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root, and Debian's slurmctld, slurmd and munge (not there: {', '.join(missing) or 'root'})")
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    (folder / "slurm.conf").write_text(CONFIGURATION.format(host=socket.gethostname(), folder=folder))
    before = dict(os.environ)
    os.environ |= {"SLURM_CONF": str(folder / "slurm.conf"), "PYTHONPATH": str(ROOT)}
    key, own = folder / "munge.key", [f"--{name}-file={folder}/munge.{name}" for name in ("log", "pid", "seed")]
    subprocess.run(["mungekey", "-c", "-k", key], check=True)
    daemons = [
        ["munged", "--force", "--foreground", f"--key-file={key}", f"--socket={folder}/munge.socket", *own],
        ["slurmctld", "-D", "-f", str(folder / "slurm.conf")],
        ["slurmd", "-D", "-f", str(folder / "slurm.conf")],
    ]
    running = []
    try:
        for command in daemons:
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            if command[0] == "munged":
                assert waited((folder / "munge.socket").exists, 30)
        if not waited(_idle, 60):
            pytest.skip(f"Slurm does not start here: {(folder / 'slurmctld.log').read_text()[-500:]}")
        yield
    finally:
        for daemon in reversed(running):
            daemon.terminate()
            daemon.wait(30)
        os.environ.clear()
        os.environ.update(before)


def _idle() -> bool:
    done = subprocess.run(["sinfo", "--noheader", "--format=%t"], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "idle"


def test_arrays_of_jobs_find_the_numbers_of_one_process(slurm: None, reference: dict[str, Any], tmp_path: Path) -> None:
    wanted = Resources(partition="main", cells_per_job=1, jobs_at_once=2)
    run = session(tmp_path, executor="slurm", resources=wanted)
    assert numbers(run, left_by(run)) == reference
    assert len(list(tmp_path.glob("slurm/*/*_result.pkl"))) == 6, "a job each"


def test_a_job_that_is_put_back_goes_on_from_its_checkpoint(slurm: None, tmp_path: Path) -> None:
    changes = {"models": [{"name": "direct", "encoder": "direct"}], "recipe": {"epochs": 40, "batch_size": 32}}
    run = session(tmp_path, changes, executor="slurm")
    seen: list[str] = []

    def requeue() -> None:
        assert waited(lambda: list(tmp_path.glob("work/*/epoch-*")))
        (job,) = squeue()
        seen.append(job)
        subprocess.run(["scontrol", "requeue", job], check=True)

    thread = Thread(target=requeue)
    thread.start()
    found = left_by(run)
    thread.join()
    assert seen
    here = session(tmp_path / "here", changes)
    assert numbers(run, found) == numbers(here, left_by(here))


def test_a_job_that_is_cancelled_has_failed_and_says_so(slurm: None, tmp_path: Path) -> None:
    changes = {"models": [{"name": "direct", "encoder": "direct"}], "recipe": {"epochs": 10_000, "batch_size": 32}}
    run = session(tmp_path, changes, executor="slurm")

    def cancel() -> None:
        assert waited(lambda: list(tmp_path.glob("work/*/epoch-*")))
        subprocess.run(["scancel", *squeue()], check=True)

    thread = Thread(target=cancel)
    thread.start()
    found = left_by(run)
    thread.join()
    (record,) = found.values()
    assert record.failure is not None
    assert record.failure.message.startswith("its job ")


def squeue() -> list[str]:
    done = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%i"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_processes_of_this_machine_find_the_numbers_of_one_process(
    reference: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run = session(tmp_path, executor="slurm:local")
    assert numbers(run, left_by(run)) == reference


def test_a_cluster_that_is_not_there_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="Slurm cannot be used"):
        executor_of(session(tmp_path, executor="slurm"))

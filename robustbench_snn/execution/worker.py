"""What another process needs to compute cells of a plan: everything is made anew there from plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from robustbench_snn.dataset import load_dataset
from robustbench_snn.errors import UserError
from robustbench_snn.execution.session import Session
from robustbench_snn.execution.settings import RunSettings
from robustbench_snn.plan.plan import Plan, Shard, make_plan
from robustbench_snn.plan.shards import shard_of
from robustbench_snn.registry import load_plugin
from robustbench_snn.spec.suite import SuiteSpec
from robustbench_snn.store.store import Store

if TYPE_CHECKING:
    from robustbench_snn.execution.session import Progress


@dataclass(frozen=True)
class Work:
    """A plan in plain values, which every process makes the same cells of.

    Attributes:
        suite: the suite, as JSON.
        shard: the part of the suite's cells that the plan is; None for all.
        digest: of the plan, which the one made there must have.
        store: folder of the records.
        settings: how to compute.
        threads: of torch.
    """

    suite: dict[str, Any]
    shard: Shard | None
    digest: str
    store: Path
    settings: RunSettings
    threads: int

    @classmethod
    def of(cls, session: Session, threads: int) -> Work:
        """The work of a session, for processes with so many threads."""
        plan = session.plan
        suite = plan.suite.model_dump(mode="json")
        store = session.store.root.absolute()
        return cls(suite, plan.shard, plan.digest, store, session.settings, threads)

    def plan(self) -> Plan:
        """The plan, made anew, with plug-ins loaded.

        Raises:
            UserError: if other data lie on this machine, or another program.
        """
        torch.set_num_threads(self.threads)
        for plugin in self.settings.plugins:
            load_plugin(plugin)
        suite = SuiteSpec.model_validate(self.suite)
        plan = make_plan(suite, load_dataset(suite.dataset.name, **suite.dataset.parameters))
        if self.shard is not None:
            plan = shard_of(plan, self.shard)
        if plan.digest != self.digest:
            raise UserError(
                "a worker finds other data or another program than the run that started it: install the same version "
                "of robustbench_snn, and put the same dataset, on every machine"
            )
        return plan

    def session(self, plan: Plan, progress: Progress | None = None, rank: int = 0) -> Session:
        """A session of this process; with several GPUs, the worker of this rank takes one of its own."""
        settings = self.settings
        if settings.device == "cuda" and (count := torch.cuda.device_count()) > 1:
            settings = replace(settings, device=f"cuda:{rank % count}")
        return Session(plan, Store(self.store), settings, progress)

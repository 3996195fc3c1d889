"""Histories of the jobs' workflows: a plain run, a data job in its steps, and one that fails."""

from __future__ import annotations

from dataclasses import dataclass

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities import interface
from activities.interface import CloseRun, OpenedRun, OpenRun, RunInput, StepInput, TaskQueue
from workflows.jobs import ALL, WORKFLOWS


@dataclass
class Office:
    """What the runner does, told what to say."""

    steps: tuple[str, ...] = ()
    fails: bool = False

    @activity.defn(name=interface.OPEN_RUN)
    async def open(self, given: OpenRun) -> OpenedRun:
        return OpenedRun("0e5c7c3c-0000-0000-0000-000000000000", steps=self.steps)

    @activity.defn(name=interface.RUN_STEP)
    async def step(self, given: StepInput) -> dict[str, int]:
        return {"done": 2, "failed": 0}

    @activity.defn(name=interface.RUN_JOB)
    async def run(self, run_id: str) -> str:
        if self.fails:
            raise ApplicationError("no such symbol", type="JobRefused", non_retryable=True)
        return "COMPLETED"

    @activity.defn(name=interface.CLOSE_RUN)
    async def close(self, given: CloseRun) -> None:
        return


OFFICES = {
    "job": ("report", Office()),
    "data-steps": ("data_processing", Office(("fetch", "normalize", "cache", "indicators"))),
    "job-failed": ("screener", Office(fails=True)),
}


async def history_of(client: Client, name: str) -> tuple[str, str]:
    """Workflow id and history of one of them, run to its end."""
    job_type, office = OFFICES[name]
    activities = [office.open, office.step, office.run, office.close]
    async with Worker(client, task_queue=TaskQueue.JOBS, workflows=list(ALL), activities=activities):
        workflow = WORKFLOWS[job_type]  # type: ignore[index]
        handle = await client.start_workflow(
            workflow, RunInput(job_type, "sched"), id=f"{job_type}-{name}", task_queue=TaskQueue.JOBS, result_type=str
        )
        await handle.result()
        return handle.id, (await handle.fetch_history()).to_json()

"""The workflows of jobs: one run from its slot to its end, with the limits of its type."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import CloseRun, DeliveryInput, OpenedRun, OpenRun, RunEnd, RunInput, StepInput
    from domain.job import JOBS, JobType, Limits
    from domain.run import RunStatus
    from workflows.delivery import start_delivery
    from workflows.failures import reason_of

SCHEDULED_FOR = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


def _retries(limits: Limits) -> RetryPolicy:
    """As often as the type says. What a lost worker cut off is no failure of the job: that is always begun again."""
    once = limits.tries == 1
    return RetryPolicy(
        maximum_attempts=max(limits.tries, interface.LOST_WORKER_TRIES),
        non_retryable_error_types=[interface.ErrorType.JOB_FAILED] if once else [],
        initial_interval=limits.apart,
        backoff_coefficient=1.0,
    )


class JobWorkflow:
    """Opens the run's row, does the work, closes the row. A slot that has its run is left alone."""

    async def _run(self, given: RunInput) -> str:
        info = workflow.info()
        slot = info.typed_search_attributes.get(SCHEDULED_FOR) or workflow.now()
        opened: OpenedRun = await workflow.execute_activity(
            interface.OPEN_RUN,
            OpenRun(given, slot, info.workflow_id),
            result_type=OpenedRun,
            start_to_close_timeout=interface.STORE_TIMEOUT,
            retry_policy=interface.STORE_RETRY,
            summary=f"{given.job_type} of {slot:%Y-%m-%d %H:%M:%S}",
        )
        if opened.run_id is None:
            workflow.set_current_details(f"not run: {opened.why}")
            return f"not run: {opened.why}"
        workflow.set_current_details(f"run {opened.run_id} for {slot:%Y-%m-%d %H:%M:%S} UTC")
        limits = JOBS[JobType(given.job_type)].limits
        retry = _retries(limits)
        try:
            for step in opened.steps:
                await workflow.execute_activity(
                    interface.RUN_STEP,
                    StepInput(opened.run_id, step),
                    result_type=dict[str, int],
                    start_to_close_timeout=limits.timeout,
                    heartbeat_timeout=interface.JOB_HEARTBEAT,
                    retry_policy=retry,
                    summary=step,
                )
            end: RunEnd = await workflow.execute_activity(
                interface.RUN_JOB,
                opened.run_id,
                result_type=RunEnd,
                start_to_close_timeout=limits.timeout,
                heartbeat_timeout=interface.JOB_HEARTBEAT,
                retry_policy=retry,
                summary=given.job_type,
            )
            return await self._told(opened.run_id, end, given.job_type) if end.tells else end.status
        except FailureError as error:
            cancelled = is_cancelled_exception(error)
            closing = CloseRun(
                opened.run_id,
                RunStatus.CANCELLED if cancelled else RunStatus.FAILED,
                "cancelled" if cancelled else reason_of(error),
            )
            await asyncio.shield(self._close(closing))
            if cancelled:
                raise
            return closing.status

    async def _told(self, run_id: str, end: RunEnd, kind: str) -> str:
        """Sees the deliveries on their way; a run that is all message ends as they do, if they end soon.

        A receiver may be away for a day, and the schedule's next runs must not wait for it: what comes of it then is noted in the
        result of the run.
        """
        child = await start_delivery(DeliveryInput(run_id=run_id), f"{kind} of run {run_id}")
        if child is None or end.status != RunStatus.RUNNING:
            return end.status
        try:
            await workflow.wait_condition(child.done, timeout=interface.TOLD_WITHIN)
        except TimeoutError:
            await self._close(CloseRun(run_id, RunStatus.COMPLETED, "", {}))
            return RunStatus.COMPLETED
        outcome = await child
        why = "; ".join(f"{channel}: {error}" for channel, error in outcome.errors.items())
        status = RunStatus.FAILED if why else RunStatus.COMPLETED
        await self._close(CloseRun(run_id, status, why, outcome.channels))
        return status

    async def _close(self, closing: CloseRun) -> None:
        await workflow.execute_activity(
            interface.CLOSE_RUN,
            closing,
            start_to_close_timeout=interface.STORE_TIMEOUT,
            schedule_to_close_timeout=timedelta(hours=1),
            retry_policy=interface.STORE_RETRY,
            summary=closing.status,
        )


@workflow.defn(name="ReportWorkflow")
class ReportWorkflow(JobWorkflow):
    """One report."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


@workflow.defn(name="ScreenerWorkflow")
class ScreenerWorkflow(JobWorkflow):
    """One screening."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


@workflow.defn(name="DataProcessingWorkflow")
class DataProcessingWorkflow(JobWorkflow):
    """One pass over market data."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


@workflow.defn(name="NotificationWorkflow")
class NotificationWorkflow(JobWorkflow):
    """One message."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


@workflow.defn(name="BackupWorkflow")
class BackupWorkflow(JobWorkflow):
    """One backup."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


@workflow.defn(name="EvaluationWorkflow")
class EvaluationWorkflow(JobWorkflow):
    """One evaluation of an alert by hand, as a run that can be looked at."""

    @workflow.run
    async def run(self, given: RunInput) -> str:
        """The run's status."""
        return await self._run(given)


ALL = (
    ReportWorkflow,
    ScreenerWorkflow,
    DataProcessingWorkflow,
    NotificationWorkflow,
    BackupWorkflow,
    EvaluationWorkflow,
)

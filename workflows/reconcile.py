"""ReconcileWorkflow: one sweep that brings the rows of ``job_schedules`` to Temporal; a Schedule starts it every 15 s."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import ReconcileReport


@workflow.defn(name="ReconcileWorkflow")
class ReconcileWorkflow:
    """Never two at once: the Schedule skips a start while one runs."""

    @workflow.run
    async def run(self, full: bool = False) -> ReconcileReport:
        """What the sweep did. ``full`` looks at everything instead of what changed."""
        report: ReconcileReport = await workflow.execute_activity(
            interface.RECONCILE,
            full,
            result_type=ReconcileReport,
            start_to_close_timeout=interface.RECONCILE_TIMEOUT,
            heartbeat_timeout=interface.RECONCILE_HEARTBEAT,
            retry_policy=RetryPolicy(maximum_attempts=2),  # the next sweep is not far
            summary="full sweep" if full else "sweep",
        )
        return report

"""RetentionWorkflow: removes what has been kept for long enough; a Schedule starts it every night."""

from __future__ import annotations

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import interface


@workflow.defn(name="RetentionWorkflow")
class RetentionWorkflow:
    """One activity that goes on where it was cut off."""

    @workflow.run
    async def run(self) -> dict[str, int]:
        """Rows removed, by what they were."""
        removed: dict[str, int] = await workflow.execute_activity(
            interface.PRUNE,
            result_type=dict[str, int],
            start_to_close_timeout=interface.PRUNE_TIMEOUT,
            heartbeat_timeout=interface.PRUNE_HEARTBEAT,
            retry_policy=RetryPolicy(maximum_attempts=3),  # there is another night
            summary="rows kept for long enough",
        )
        said = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in removed.items())
        workflow.set_current_details(f"removed: {said or 'nothing'}")
        return removed

"""WatchWorkflow: one shard of the watch. It sees to it that some worker runs the activity, and shows how that fares."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import interface
    from activities.interface import TaskQueue
    from domain.watching import WatchReport
    from workflows.failures import ACTIVITY_FAILED, let_cancellation_pass, reason_of

HISTORY_LIMIT = 4000  # events; a report comes every minute


@workflow.defn(name="WatchWorkflow")
class WatchWorkflow:
    """When a worker dies, Temporal finds another within the heartbeat timeout: no election of our own."""

    @workflow.init
    def __init__(self, shard: int) -> None:
        self.shard = shard
        self._show(None)

    @workflow.run
    async def run(self, shard: int) -> str:
        """Until there is no such shard any more."""
        watching = workflow.start_activity(
            interface.WATCH,
            shard,
            result_type=str,
            task_queue=TaskQueue.WATCH,
            start_to_close_timeout=interface.WATCH_RUN,
            heartbeat_timeout=interface.WATCH_HEARTBEAT,
            retry_policy=interface.WATCH_RETRY,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"alerts of shard {shard}",
        )
        await workflow.wait_condition(lambda: watching.done() or self._is_long())
        if not watching.done():
            watching.cancel()
        try:
            said: str = await watching
        except ACTIVITY_FAILED as error:
            if not self._is_long():
                let_cancellation_pass(error)
            workflow.logger.info("watch goes on", extra={"action": "watch", "error": reason_of(error)})
            workflow.continue_as_new(shard)
        return said

    def _is_long(self) -> bool:
        info = workflow.info()
        return info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY_LIMIT

    @workflow.signal(name=interface.WATCH_REPORT, description="From the watch: how it fares.")
    def report(self, report: WatchReport) -> None:
        """Shown in the details."""
        self._show(report)

    def _show(self, report: WatchReport | None) -> None:
        workflow.set_current_details(_details(self.shard, report))


def _details(shard: int, report: WatchReport | None) -> str:
    if report is None:
        return f"Shard {shard}: no worker has said anything yet"
    bar = f"{report.last_bar:%Y-%m-%d %H:%M:%S} UTC" if report.last_bar else "none yet"
    lag = f", judged {report.lag_ms / 1000:.1f} s after its close" if report.lag_ms is not None else ""
    return "\n\n".join(
        [
            f"Shard {shard} of {report.shards}: **{report.alerts:,} alerts** on {report.feeds:,} feeds, by {report.owner}",
            f"{report.judged:,} judgements; last bar {bar}{lag}",
            f"{report.nudges:,} nudges, {report.unanswered:,} unanswered",
            f"As of {report.at:%Y-%m-%d %H:%M:%S} UTC, since {report.started_at:%Y-%m-%d %H:%M:%S} UTC",
        ]
    )

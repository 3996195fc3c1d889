"""Links into Temporal's Web UI: the alerts that run, those that have fired, what is being told, the other jobs."""

from __future__ import annotations

from urllib.parse import quote

RUNNING = "ExecutionStatus = 'Running'"
VIEWS = (
    ("running alerts", f"WorkflowType = 'AlertWorkflow' AND {RUNNING}"),
    ("fired", f"AlertStatus IN ('TRIGGERED', 'COOLDOWN') AND {RUNNING}"),
    ("being told", f"WorkflowType = 'DeliveryWorkflow' AND {RUNNING}"),
    ("other jobs", "JobType IS NOT NULL AND JobType != 'alert'"),
)


def views(ui: str, namespace: str) -> list[str]:
    """A line each: what it shows, and its address."""
    wide = max(len(name) for name, _ in VIEWS)
    where = f"{ui.rstrip('/')}/namespaces/{quote(namespace, safe='')}/workflows?query="
    return [f"{name:<{wide}}  {where}{quote(query, safe='')}" for name, query in VIEWS]

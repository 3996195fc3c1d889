"""The search attributes, by which the Web UI and the ``temporal`` CLI find alerts."""

from __future__ import annotations

from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

from domain.alert import Alert, AlertState
from domain.alert_memory import Shown

ALERT_STATUS = SearchAttributeKey.for_keyword("AlertStatus")
ALERT_SYMBOL = SearchAttributeKey.for_keyword("AlertSymbol")
ALERT_TIMEFRAME = SearchAttributeKey.for_keyword("AlertTimeframe")
ALERT_USER_ID = SearchAttributeKey.for_keyword("AlertUserId")
ALERT_TAGS = SearchAttributeKey.for_keyword_list("AlertTags")
ALERT_LAST_TRIGGERED_AT = SearchAttributeKey.for_datetime("AlertLastTriggeredAt")
JOB_TYPE = SearchAttributeKey.for_keyword("JobType")

ALL = (
    ALERT_STATUS,
    ALERT_SYMBOL,
    ALERT_TIMEFRAME,
    ALERT_USER_ID,
    ALERT_TAGS,
    ALERT_LAST_TRIGGERED_AT,
    JOB_TYPE,
)


def initial(alert: Alert, status: str) -> TypedSearchAttributes:
    """What a new alert workflow is found by."""
    definition = alert.definition
    return TypedSearchAttributes(
        [
            SearchAttributePair(JOB_TYPE, "alert"),
            SearchAttributePair(ALERT_STATUS, status),
            SearchAttributePair(ALERT_SYMBOL, definition.symbol),
            SearchAttributePair(ALERT_TIMEFRAME, definition.timeframe),
            SearchAttributePair(ALERT_USER_ID, alert.user_id),
            SearchAttributePair(ALERT_TAGS, list(definition.tags)),
        ]
    )


def changed(alert: Alert, state: AlertState, shown: Shown) -> list[SearchAttributeUpdate]:  # type: ignore[type-arg]
    """Updates for what differs from ``shown``, which was published last."""
    updates: list[SearchAttributeUpdate] = []  # type: ignore[type-arg]
    if state.status.value != shown.status:
        updates.append(ALERT_STATUS.value_set(state.status.value))
    if state.triggered_at is not None and state.triggered_at != shown.triggered_at:
        updates.append(ALERT_LAST_TRIGGERED_AT.value_set(state.triggered_at))
    if alert.version != shown.version:
        definition = alert.definition
        updates.append(ALERT_SYMBOL.value_set(definition.symbol))
        updates.append(ALERT_TIMEFRAME.value_set(definition.timeframe))
        updates.append(ALERT_TAGS.value_set(list(definition.tags)))
    return updates

"""What a failed activity says, and which failures are none."""

from __future__ import annotations

from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeout

ACTIVITY_FAILED = (ActivityError, ApplicationError, TemporalTimeout)  # a local activity's failure comes bare


def let_cancellation_pass(error: BaseException) -> None:
    """A workflow that is being cancelled must not take the cancelled activity for a failed one and go on."""
    if is_cancelled_exception(error):
        raise error


def reason_of(error: BaseException) -> str:
    """Why an activity or a child failed, in the words of what failed in it."""
    cause = getattr(error, "cause", None)
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)

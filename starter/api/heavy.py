"""Work that takes long on the processor: in threads of its own, few at once, each within a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starter.api.problems import ProblemError

AT_ONCE = 2
MOST_WAITING = 8
SECONDS = 10.0
T = TypeVar("T")
Clock = Callable[[], float]


class Deadline:
    """Asked now and then by the work itself, which a thread cannot be made to stop otherwise."""

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self.ends = clock() + seconds

    def check(self, *_progress: int) -> None:
        """Goes by while there is time.

        Raises:
            ProblemError: 422 when there is none left.
        """
        if self.clock() > self.ends:
            text = f"this takes longer than {self.seconds:g} s; ask for less"
            raise ProblemError(422, "takes-too-long", text)


class Heavy:
    """A queue of such work: one at once for each user, so that nobody waits long for another."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="heavy")
        self.busy: Counter[str] = Counter()

    async def run(self, user_id: str, work: Callable[[Deadline], T]) -> T:
        """What the work gives. Its time runs from when it begins.

        Raises:
            ProblemError: 429 when the user's last one still runs, or too many wait.
        """
        if self.busy[user_id] or self.busy.total() >= MOST_WAITING:
            whose = "your last preview still runs" if self.busy[user_id] else "too many previews wait"
            raise ProblemError(429, "too-many-requests", whose, headers={"Retry-After": "2"})
        self.busy[user_id] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, lambda: work(Deadline(self.seconds)))
        finally:
            self.busy -= Counter([user_id])

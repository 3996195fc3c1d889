"""A start that may be told to stop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from starter.cli.run_commands import _serve
from worker.runner import Stopped, unless_stopped


async def forever() -> None:
    await asyncio.Event().wait()


async def test_the_work_is_done_in_the_callers_own_task() -> None:
    """A Temporal worker cancels the task that started it when it fails: that must be the one that waits for it."""

    async def work() -> asyncio.Task[None] | None:
        await asyncio.sleep(0)
        return asyncio.current_task()

    assert await unless_stopped(asyncio.Event(), work()) is asyncio.current_task()


async def test_it_is_cut_off_when_told_to_stop() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    with pytest.raises(Stopped):
        await unless_stopped(stop, forever())
    await asyncio.sleep(0)  # not cancelled any more


async def test_any_other_cancellation_passes() -> None:
    task = asyncio.create_task(unless_stopped(asyncio.Event(), forever()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_end_waits_for_no_thread_that_is_still_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs in a thread, a look-up of a name for example, has nobody left who waits for it."""
    runner = asyncio.Runner()
    monkeypatch.setattr(asyncio, "Runner", lambda: runner)
    release, finished = threading.Event(), threading.Event()

    def hang() -> None:
        release.wait(20)
        finished.set()

    async def work() -> None:
        asyncio.get_running_loop().run_in_executor(None, hang)

    _serve(work())
    ended_first = not finished.is_set()
    release.set()
    runner.close()  # which the process never does: it waits for the thread
    assert ended_first
    assert finished.is_set()

"""A start that may be told to stop."""

from __future__ import annotations

import asyncio
import resource
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from starter.cli.serving import serve
from tests.mortal import with_us
from worker.files import MOST_OPEN, allow_many_files
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

    serve(work())
    ended_first = not finished.is_set()
    release.set()
    runner.close()  # which the process never does: it waits for the thread
    assert ended_first
    assert finished.is_set()


FROZEN = """
import asyncio, sys
from worker.runner import stop_on_signal

async def main():
    with stop_on_signal():
        sys.stdout.write("up\\n")
        sys.stdout.flush()
        while True:
            pass

asyncio.run(main())
"""


def test_a_frozen_process_ends_at_the_second_signal() -> None:
    """The loop never gets its turn again: signals are counted where it is not needed."""
    with subprocess.Popen([sys.executable, "-c", FROZEN], stdout=subprocess.PIPE, preexec_fn=with_us) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        while process.poll() is None:  # two of them at once may count as one
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.2)
        assert process.returncode == 128 + signal.SIGTERM


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[0]), before[1]))
        allow_many_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= min(MOST_OPEN, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)

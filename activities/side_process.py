"""Work that takes the processor for long, in a process of its own: alerts of this one are not kept from their ticks."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")


class SideProcess:
    """One call at a time; the others wait for their turn. The process is begun with the first call.

    ``nice`` is added to its niceness: where processors are scarce, others go first.
    """

    def __init__(self, nice: int = 0) -> None:
        self.nice = nice
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()

    async def run(self, function: Callable[..., T], *given: object) -> T:
        """What the function gives; it and what it is given can be pickled. A cancelled call ends the process.

        Raises:
            BrokenProcessPool: the process died; the next call begins another.
        """
        async with self._turn:
            if self._pool is None:
                spawned = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, spawned, initializer=_begin, initargs=(os.getpid(), self.nice))
            try:
                return await asyncio.get_running_loop().run_in_executor(self._pool, function, *given)
            except (asyncio.CancelledError, BrokenProcessPool):
                self.close()
                raise

    @property
    def processes(self) -> list[multiprocessing.process.BaseProcess]:
        """Those that run."""
        return [] if self._pool is None else list((self._pool._processes or {}).values())

    def close(self) -> None:
        """Ends the process."""
        if self._pool is not None:
            running, pool = self.processes, self._pool
            self._pool = None
            pool.shutdown(wait=False, cancel_futures=True)
            for one in running:
                one.terminate()


def _begin(parent: int, nice: int) -> None:
    """Does not outlive who started it, however that ends."""
    if nice:
        os.nice(nice)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()

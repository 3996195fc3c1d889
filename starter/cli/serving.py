"""How commands that run for long begin and end: their settings, their database, their failures as plain messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from domain.errors import ExpectedError, InvalidInput
from starter.cli.output import FAILED, INVALID, Failure, say, say_notes
from starter.cli.session import CODES
from storage.database import Database
from worker.files import allow_many_files
from worker.logs import configure_logging
from worker.settings import Settings, load_settings, notes_on


def settings_in_force() -> Settings:
    """Those in force, with what was set in vain said at once."""
    settings = load_settings()
    say_notes(notes_on(settings))
    return settings


@asynccontextmanager
async def with_database(settings: Settings) -> AsyncIterator[tuple[Database, asyncio.Event]]:
    """The migrated database, and what is set when the process is told to stop."""
    from worker.runner import stop_on_signal, unless_stopped
    from worker.wiring import build_database

    configure_logging(settings.log_level)
    allow_many_files()
    database = build_database(settings)
    try:
        with stop_on_signal() as stop:
            await unless_stopped(stop, database.upgrade())
            yield database, stop
    finally:
        await database.close()
    say("stopped")


def serve(work: Any) -> None:
    """Runs a long command; what people can mend becomes a plain message.

    The work has closed all it opened when it returns, and the process leaves by ``os._exit``. So its loop is not closed: that
    would wait for every thread that is still busy, a backup's or a look-up's, for which nobody waits any more.
    """
    from worker.client import TemporalUnreachable
    from worker.runner import Stopped
    from worker.temporal_server import ServerFailed

    try:
        asyncio.Runner().run(work)
    except Stopped:
        say("stopped")
    except (ServerFailed, TemporalUnreachable) as error:
        raise Failure(str(error), FAILED) from None
    except InvalidInput:
        raise
    except ExpectedError as error:
        raise Failure(str(error), CODES.get(error.kind, FAILED)) from None
    except ValueError as error:
        if "database URL" not in str(error):
            raise
        raise Failure(str(error), INVALID) from None

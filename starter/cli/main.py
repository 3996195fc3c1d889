"""Entry of the ``alerts`` command: every way out goes through here, with the right exit code."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from domain.errors import InvalidInput
from starter.cli.commands import LazyCommands
from starter.cli.options import ConfigFile
from starter.cli.output import FAILED, INVALID, Failure, print_faults, say

EPILOG = (
    "Exit codes: 0 ok, 1 failed, 2 usage or invalid input, 3 not found, 4 not allowed, 5 conflict. "
    "Start with: alerts demo"
)

app = typer.Typer(
    name="alerts",
    cls=LazyCommands,
    help="Durable market alerts: rules with memory that survive crashes.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _every_command(config: ConfigFile = None) -> None:
    """The options that all commands share."""


def main() -> NoReturn:
    """Runs the command and leaves by ``os._exit``: processes that used the Temporal client may abort otherwise."""
    code = FAILED
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    try:
        code = _run()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # the reader has gone
                code = code or FAILED
        os._exit(code)


def _run() -> int:
    try:
        result = app(standalone_mode=False, prog_name="alerts")
    except InvalidInput as error:
        print_faults(error)
        return INVALID
    except Failure as error:
        say(f"alerts: {error}")
        return error.code
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except TyperException as error:  # usage: the words are off
        show = getattr(error, "show", None)
        if callable(show):
            show()
        else:
            say(f"alerts: {error}")
        return int(getattr(error, "exit_code", INVALID))
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if os.environ.get("LOG_LEVEL") == "DEBUG":
            raise
        say(f"alerts: unexpected {type(error).__name__}: {error}; set LOG_LEVEL=DEBUG for the traceback")
        return FAILED
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()

"""Entry of the ``alerts`` command: every way out goes through here, with the right exit code."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, NoReturn

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

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some takes 10 ms
gc.disable()  # until the command's modules are there: nothing that an import makes goes again

app = typer.Typer(
    name="alerts",
    cls=LazyCommands,
    help="Durable market alerts: rules with memory that survive crashes.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"alerts {version('market-alerts')}")
        raise typer.Exit


@app.callback()
def _every_command(
    config: ConfigFile = None,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
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
    except SystemExit as error:  # completion ends itself
        if any(word.startswith("--install-completion") for word in sys.argv):
            from starter.cli.complete import from_the_first_tab

            from_the_first_tab()
        return error.code if isinstance(error.code, int) else FAILED if error.code else 0
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

"""Commands that need neither server nor database: validate, cron explain, indicator."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError

from domain import cron
from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import JobDefinition
from domain.operand import IndicatorOperand
from domain.schedule_draft import read_alert
from starter.cli import inputs
from starter.cli.advising import advise
from starter.cli.bar_options import DateOrder, Decimal, FormatName, Zone, read_bars
from starter.cli.options import ConfigFile, Json
from starter.cli.output import (
    INVALID,
    instant,
    number,
    print_faults,
    print_json,
    print_table,
    say,
    say_notes,
)
from worker.schema_folder import SchemaFolder
from worker.settings import Settings, load_settings, notes_on

Bars = Annotated[Path, typer.Option("--bars", help="CSV with time,open,high,low,close,volume.")]
Ticker = Annotated[str, typer.Option("--symbol", help="One of several tickers in the file.")]


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    for name in ("validate", "validate-config", "validate-schemas"):
        app.command(name, hidden=name != "validate")(validate)
    app.command("indicator")(indicator)
    cron = typer.Typer(help="Cron expressions: 5 fields, or 6 with seconds first.", no_args_is_help=True)
    cron.command("explain")(explain_cron)
    app.add_typer(cron, name="cron")


def validate(
    files: Annotated[
        list[str] | None, typer.Argument(help="Files (JSON) of alerts or schedules, or '-'; none: the configuration.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the full form of each definition.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Check definition files, the configuration and own schemas: every fault at once, with path, value and expectation.

    Example: alerts validate examples/*.json
    """
    faults: list[Fault] = []
    checked: list[AlertDefinition | JobDefinition] = []
    files, settings = files or [], None
    try:
        settings = load_settings()
        folder = SchemaFolder(settings.alert_schema_dir)
        if broken := folder.faults():
            raise InvalidInput("ALERT_SCHEMA_DIR", broken)
    except InvalidInput as error:
        faults += error.faults
        folder = SchemaFolder(None)
        if not as_json:
            print_faults(error)
    for file in files:
        try:
            checked += _check_file(file, folder)
        except InvalidInput as error:
            faults += error.under(f"{file}:$") if len(files) > 1 else error.faults
            if not as_json:
                print_faults(error)
    notes = [] if settings is None else notes_on(settings)
    warnings = [] if settings is None else notes + _advised(settings, checked)
    say_notes(notes)
    if as_json:
        said = {"valid": not faults, "errors": [fault.as_json() for fault in faults]}
        shown = {"definitions": _full_forms(checked)} if show else {}
        print_json(said | ({"warnings": warnings} if warnings else {}) | shown)
    elif show and not faults:
        forms = _full_forms(checked)
        print_json(forms[0] if len(forms) == 1 else forms)
    elif not faults:
        say(f"{len(files)} file{'s' if len(files) != 1 else ''} valid" if files else "the configuration is valid")
    if faults:
        raise typer.Exit(INVALID)


def _full_forms(checked: Sequence[AlertDefinition | JobDefinition]) -> list[dict[str, Any]]:
    """What the reader made of each: an alert in its full form, a job with the columns of its row."""
    return [
        one.as_json()
        if isinstance(one, AlertDefinition)
        else {
            **one.model_dump(mode="json", exclude_defaults=True, exclude={"params", "options"}),
            "task_params": one.task_params(),
        }
        for one in checked
    ]


def _advised(settings: Settings, checked: Sequence[AlertDefinition | JobDefinition]) -> list[str]:
    return [sentence for sentences in advise(settings, checked) for sentence in sentences]


def _check_file(file: str, folder: Any) -> list[AlertDefinition | JobDefinition]:
    """Each definition of a file: a schedule when it names its ``job_type``, else an alert."""
    faults: list[Fault] = []
    found: list[AlertDefinition | JobDefinition] = []
    for base, data in inputs.definitions_in(file):
        try:
            if isinstance(data, dict) and "job_type" in data:
                definition = inputs.read_schedule(data, folder)
            else:
                definition = read_alert(inputs.owned(inputs.unpacked(data)[0])[0], folder.own())
                folder.check_definition(definition)
            found.append(definition)
        except InvalidInput as error:
            faults += error.under(base)
    if faults:
        raise InvalidInput(file, faults)
    return found


def explain_cron(
    expression: Annotated[str, typer.Argument(help="5 fields, 6 with seconds first, or @daily.")],
    timezone: Annotated[str, typer.Option(help="IANA time zone.")] = "UTC",
    start: Annotated[str, typer.Option("--from", help="ISO time, exclusive; default now.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many fires.")] = 5,
    as_json: Json = False,
) -> None:
    """Say in words when a cron expression fires, and list the next fires.

    Example: alerts cron explain "30 9 * * MON-FRI" --timezone America/New_York --count 3
    """
    faults: list[Fault] = []
    parsed = zone = after = None
    try:
        parsed = cron.parse(expression)
    except cron.CronError as error:
        faults += error.faults
    try:
        zone = inputs.zone(timezone)
    except InvalidInput as error:
        faults += error.faults
    try:
        after = inputs.moment(start, zone or ZoneInfo("UTC"), "--from") if start else datetime.now(UTC)
    except InvalidInput as error:
        faults += error.faults
    if parsed is None or zone is None or after is None:
        raise InvalidInput(f"cron '{expression}'", faults)
    try:
        fires = cron.next_fires(parsed, zone, after, count)
    except LookupError as error:
        raise InvalidInput(f"cron '{expression}'", [Fault("expression", str(error))]) from None
    except OverflowError:
        raise InvalidInput("options", [Fault("--from", "lies beyond the calendar", start)]) from None
    words = cron.describe(parsed)
    if as_json:
        print_json({"expression": expression, "timezone": timezone, "description": words, "fires": fires})
        return
    say(f"{words} ({timezone})")
    print_table(["utc", "local"], [[instant(at), at.astimezone(zone).isoformat()] for at in fires])


def indicator(
    name: Annotated[str, typer.Argument(help="A TA-Lib function, e.g. rsi, macd, bbands.")],
    bars: Bars,
    param: Annotated[list[str] | None, typer.Option(help="name=number; 'length' means timeperiod.")] = None,
    source: Annotated[str, typer.Option(help="Bar field to compute on instead of the close.")] = "",
    timezone: Zone = "",
    file_format: FormatName = "",
    dates: DateOrder = "",
    decimal: Decimal = "",
    symbol: Ticker = "",
    as_json: Json = False,
) -> None:
    """Compute an indicator over a CSV of bars; a value that would mean nothing is missing.

    Example: alerts indicator rsi --param length=14 --bars spy.csv
    """
    faults: list[Fault] = []
    operand = None
    params: dict[str, float] = {}
    try:
        params = inputs.parameters(param or [])
    except InvalidInput as error:
        faults += error.faults
    try:
        operand = IndicatorOperand.model_validate({"indicator": name, "params": params, "source": source or None})
    except ValidationError as error:
        faults += [Fault("indicator", one["msg"].removeprefix("Value error, "), name) for one in error.errors()]
    table = read_bars(bars, timezone, file_format, dates, decimal, symbol or None, faults)
    if faults or operand is None or table is None:
        raise InvalidInput("indicator", faults)
    _print_indicator(operand, table, as_json)


def _print_indicator(operand: Any, table: Any, as_json: bool) -> None:
    import numpy as np

    from activities.indicators import compute

    outputs = {
        name: [float(value) if np.isfinite(value) else None for value in values]
        for name, values in compute(operand, table.columns, whole_history=True, windowed=False).items()
    }
    if as_json:
        print_json({"name": operand.indicator, "params": operand.params, "outputs": outputs})
        return
    rows = []
    for index in range(max(0, len(table) - 20), len(table)):
        opened = datetime.fromtimestamp(int(table.open_time[index]), UTC)
        rows.append([str(index), instant(opened), *(number(values[index]) for values in outputs.values())])
    print_table(["bar", "time", *outputs], rows)
    say(f"{operand.base}: the last {len(rows)} of {len(table)} bars; --json for all")

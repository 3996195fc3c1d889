"""``alerts preview``: when a rule would have fired on bars of a file, the database or a vendor, and what came after."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain import expression
from domain.alert import Alert
from domain.definition import AlertDefinition, read_definition
from domain.errors import Fault, InvalidInput
from domain.text import counted
from domain.timeframe import Timeframe
from starter.cli import inputs
from starter.cli.bar_options import DateOrder, Decimal, FormatName, Zone, read_bars
from starter.cli.definition_options import takes_definition
from starter.cli.options import Json
from starter.cli.output import INVALID, Failure, instant, number, print_json, print_table, progress, say
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.times import moment_of
from worker.settings import load_settings

if TYPE_CHECKING:
    from activities.bar_table import BarTable
    from activities.preview import Preview

KINDS = {".png": "png", ".svg": "svg", ".html": "html", ".htm": "html"}
MOST_ROWS = 200  # of a table for people


def register(app: typer.Typer) -> None:
    """Adds this command."""
    app.command("preview")(preview)


@dataclass(frozen=True)
class Look:
    """How a chart is to be."""

    path: Path
    kind: str
    theme: str = "light"
    size: tuple[int, int] | None = None


@dataclass
class Given:
    """The bars to judge from row ``begin`` on; ``rows`` are those of the file, where bars were put together from it."""

    table: BarTable
    begin: int = 0
    others: dict[str, BarTable] = field(default_factory=dict)
    higher: dict[Any, BarTable] = field(default_factory=dict)
    source: str = ""
    rows: Any = None


@takes_definition
def preview(
    what: Annotated[
        list[str],
        typer.Argument(metavar="[TICKER] RULE|FILE|ID", help="A rule, a definition file, '-', or the id of an alert."),
    ],
    bars: Annotated[
        list[str] | None,
        typer.Option("--bars", help="A file of bars, read as it was downloaded; QQQ=FILE for another ticker (repeat)."),
    ] = None,
    since: Annotated[str, typer.Option("--from", help="First bar that is judged: a date or time.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last bar: a date or time; default: now.")] = "",
    chart: Annotated[
        Path | None, typer.Option("--chart", help="Also draw it: .png, .svg, or .html to zoom in.")
    ] = None,
    size: Annotated[str, typer.Option("--size", help="Of the picture, in pixels: 1000x640.")] = "",
    theme: Annotated[str, typer.Option("--theme", help="Of the picture: light or dark.")] = "light",
    timezone: Zone = "",
    file_format: FormatName = "",
    dates: DateOrder = "",
    decimal: Decimal = "",
    symbol: Annotated[str | None, typer.Option("--symbol", help="The ticker; of a file with several, which.")] = None,
    as_json: Json = False,
    fields: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Show when a definition would have fired over past bars, and what came after.

    Example: alerts preview AAPL "rsi(14) > 70" --from 2024-01-01 --chart out.html
    """
    faults: list[Fault] = []
    look = _look(chart, size, theme, faults)
    begin, end = _moment(since, "--from", timezone, faults), _moment(until, "--to", timezone, faults)
    text, named = _argument(what, faults)
    data = _definition(text, {**fields, **({"symbol": symbol or named} if symbol or named else {})}, faults)
    files = _files(bars or [], faults)
    if files:
        _of_file(
            data, files, (timezone, file_format, dates, decimal), symbol, begin, end, look, faults, as_json=as_json
        )
        return
    if timezone and "timezone" not in fields:
        data = {**data, "timezone": timezone} if isinstance(data, dict) else data
    definition = _read(data, faults)
    if definition is None or faults:
        raise InvalidInput("preview", faults)
    found = run_command(lambda context: _loaded(context, definition, begin, end))
    _show(definition, found, look, as_json=as_json)


async def _loaded(context: Context, definition: AlertDefinition, begin: datetime | None, end: datetime | None) -> Given:
    from starter.previewing import load

    loaded = await load(context.settings, context.database, definition, begin, end or now())
    return Given(loaded.table, loaded.begin, loaded.others, loaded.higher, loaded.source)


def _argument(what: list[str], faults: list[Fault]) -> tuple[str, str]:
    """The rule, file or id, and the ticker before it."""
    if len(what) > 2:
        faults.append(
            Fault("RULE", f"expected a rule, or a ticker and a rule, got {len(what)} words; put the rule in quotes")
        )
    return (what[1], what[0].strip().upper()) if len(what) >= 2 else (what[0], "")


def _definition(text: str, over: dict[str, Any], faults: list[Fault]) -> Any:
    """The data of a file, of an alert that there is, or of a rule."""
    try:
        given = inputs.one_definition(text)
    except InvalidInput as error:
        faults += error.faults
        return {}
    is_rule = isinstance(given, dict) and given.get("rule") == text
    if is_rule and re.fullmatch(r"[A-Za-z0-9][\w.-]*", text):

        async def stored(context: Context) -> Any:
            return (await context.alert(text)).alert.definition.as_json()

        given = run_command(stored)
    return inputs.merged(inputs.unpacked(given)[0], over)


def _files(bars: list[str], faults: list[Fault]) -> dict[str, Path]:
    """By ticker; the first without one is that of the definition's own."""
    found: dict[str, Path] = {}
    for one in bars:
        name, separator, rest = one.partition("=")
        ticker, path = (name.upper(), rest) if separator and not _is_there(one) else ("", one)
        if ticker in found:
            faults.append(
                Fault("--bars", f"two files of {ticker or 'the own ticker; write QQQ=FILE for another'}", one)
            )
        found[ticker] = Path(path)
    if found and "" not in found:
        faults.append(Fault("--bars", "the file of the definition's own ticker is needed, too"))
    return found


def _is_there(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # too long a name for any file
        return False


def _of_file(
    data: Any, files: dict[str, Path], how: tuple[str, str, str, str], symbol: str | None, begin: datetime | None,
    end: datetime | None, look: Look | None, faults: list[Fault], *, as_json: bool,
) -> None:  # fmt: skip
    own = files.get("")
    table = read_bars(own, *how, symbol or _ticker_of(data), faults) if own else None
    others = {name: read_bars(path, *how, name, faults) for name, path in files.items() if name}
    try:
        definition = read_definition(_completed(data, own or Path("CSV"), table))
    except InvalidInput as error:
        raise InvalidInput("preview", [*error.faults, *faults]) from None
    if table is None or faults or None in others.values():
        raise InvalidInput("preview", faults)
    given = _in_frame(definition, table, {name: one for name, one in others.items() if one is not None})
    if end is not None:
        given = _until(given, int(end.timestamp()))
    if begin is not None:
        given.begin = int((given.table.close_time <= int(begin.timestamp())).sum())
    if given.begin >= len(given.table):
        raise InvalidInput("preview", [Fault("--from, --to", "no bar of the file lies between them")])
    _show(definition, given, look, as_json=as_json)


def _in_frame(definition: AlertDefinition, table: BarTable, others: dict[str, BarTable]) -> Given:
    """In the definition's own bars, made of those of the files where these are shorter, each on its own market's grid.

    Raises:
        InvalidInput: another ticker's bars are longer than what is judged.
    """
    frame = definition.timeframe
    if frame.length < table.interval:
        longer = Timeframe.of_length(table.interval) or table.interval
        say(f"note: the bars are {longer} long; the definition's timeframe {frame} is not used")
        frame = Timeframe.of_length(table.interval) or frame
    made = _put_together(definition.symbol, table, frame)
    faults = [
        Fault("--bars", f"bars of {name} are {one.interval} long, longer than the {frame} that are judged")
        for name, one in others.items()
        if one.interval > made.interval
    ]
    if faults:
        raise InvalidInput("preview", faults)
    given = Given(made, 0, {name: _put_together(name, one, frame) for name, one in others.items()})
    if made is not table:
        import numpy as np

        shorter = Timeframe.of_length(table.interval) or table.interval
        what = f"{counted(len(table), 'bar')} of {shorter} were put together to {counted(len(made), 'bar')} of {frame}"
        say(f"note: {what}")
        given.rows = np.maximum(np.searchsorted(table.close_time, made.close_time, side="right") - 1, 0)
    return given


def _put_together(symbol: str, table: BarTable, frame: Timeframe) -> BarTable:
    from activities.market_data.vendors.resample_table import resample

    if table.interval >= frame.length:
        return table
    return resample(table, frame, load_settings().calendars().of(symbol, table.first_day))


def _until(given: Given, end: int) -> Given:
    table = given.table
    count = int((table.close_time <= end).sum())
    columns = {name: column[:count] for name, column in table.columns.items()}
    closes = None if table.closes is None else table.closes[:count]
    given.table = type(table)(table.open_time[:count], columns, table.interval, closes)
    return given


def _read(data: Any, faults: list[Fault]) -> AlertDefinition | None:
    try:
        return read_definition(data)
    except InvalidInput as error:
        faults += error.faults
        return None


def _moment(text: str, option: str, timezone: str, faults: list[Fault]) -> datetime | None:
    if not text:
        return None
    try:
        return moment_of(text, inputs.zone(timezone or load_settings().scheduler_timezone), now(), option, past=True)
    except InvalidInput as error:
        faults += error.faults
        return None


def _look(chart: Path | None, size: str, theme: str, faults: list[Fault]) -> Look | None:
    if theme not in ("light", "dark"):
        faults.append(Fault("--theme", "expected light or dark", theme))
    match = re.fullmatch(r"(\d{2,5})[x×*](\d{2,5})", size.strip().lower()) if size else None
    wanted = (int(match[1]), int(match[2])) if match else None
    if size and (wanted is None or not (200 <= wanted[0] <= 6000 and 200 <= wanted[1] <= 6000)):
        faults.append(Fault("--size", "expected width and height in pixels, 200 to 6000, such as 1000x640", size))
    if chart is None:
        return None
    kind = KINDS.get(chart.suffix.lower())
    if kind is None:
        faults.append(Fault("--chart", "expected a file that ends with .png, .svg or .html", str(chart)))
        return None
    return Look(chart, kind, theme, wanted)


def _ticker_of(given: Any) -> str | None:
    """The ticker that a definition names, which a file may hold among others."""
    if not isinstance(given, dict):
        return None
    named = given.get("symbol") or given.get("ticker")
    text = given.get("rule", given.get("expression"))
    if named is None and isinstance(text, str):
        try:
            named = expression.parse(text).symbol
        except InvalidInput:
            return None
    return named if isinstance(named, str) else None


def _completed(given: Any, bars: Path, table: Any) -> Any:
    """The definition with what only the bars know: their length, and a ticker from the file's name."""
    if not isinstance(given, dict):
        return given
    known = dict(given)
    if "symbol" not in given and "ticker" not in given:
        known |= _symbol_of(given, bars)
    if "timeframe" not in given and table is not None and (frame := Timeframe.of_length(table.interval)):
        known["timeframe"] = frame
    return known


def _symbol_of(given: dict[str, Any], bars: Path) -> dict[str, Any]:
    """The ticker named in the rule's text wins; else the file's name stands for it."""
    text = given.get("rule", given.get("expression"))
    if isinstance(text, str):
        try:
            if expression.parse(text).symbol:
                return {}
        except InvalidInput:
            return {}
    name = "".join(char for char in bars.stem.split("_")[0].upper() if char.isalnum())
    return {"symbol": name or "CSV"}


def _show(definition: AlertDefinition, given: Given, look: Look | None, *, as_json: bool) -> None:
    from activities.preview import as_json as as_json_of
    from activities.preview import preview as run

    alert = Alert(id="preview", definition=definition)
    elsewhere = any(one.timeframe or one.symbol for one in definition.operands.values())
    calendars = load_settings().calendars() if elsewhere else None
    with progress("evaluating", len(given.table)) as update:
        result = run(alert, given.table, update, calendars, given.others, given.begin, given.higher)
    if look is not None:
        with progress("drawing"):
            _draw(alert, given, result, look, calendars)
        say(f"chart: {look.path}")
    said = as_json_of(result)
    of_file = not given.source
    for event in said["events"]:
        row = event["bar"] + given.begin
        event["bar"] = int(given.rows[row]) if given.rows is not None else row if of_file else event["bar"]
    if as_json:
        print_json(said | ({"source": given.source} if given.source else {}))
        return
    _print(said, result, given)


def _print(said: dict[str, Any], result: Preview, given: Given) -> None:
    events, final = said["events"], result.final
    rows = [[str(e["bar"]), instant(e["bar_time"]), e["kind"], e["status"], _values(e["values"])] for e in events]
    print_table(["bar", "time", "event", "status", "values"], rows[-MOST_ROWS:], "nothing happened on these bars")
    if len(rows) > MOST_ROWS:
        say(f"the last {MOST_ROWS} of {counted(len(rows), 'event')}; --json has them all")
    if result.fires:
        rows = [_outcome(bars, one) for bars, one in said["outcomes"].items()]
        print_table(["after", "fires", "mean", "median", "hits"], rows)
    source = f" from {given.source}" if given.source else ""
    fires = counted(len(result.fires), "fire")
    say(f"{counted(len(result.table), 'bar')}{source}, {fires}; final status {final.status.value} ({final.reason})")


def _per_cent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f} %"


def _outcome(bars: str, one: dict[str, Any]) -> list[str]:
    hits = "-" if one["hit_rate"] is None else f"{one['hit_rate']:.0f} %"
    return [counted(int(bars), "bar"), str(one["count"]), _per_cent(one["mean"]), _per_cent(one["median"]), hits]


def _values(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name}={number(value)}" for name, value in values.items())


def _draw(alert: Alert, given: Given, result: Preview, look: Look, calendars: Any) -> None:
    from activities.charting.model import FIRED, REARMED, chart_of
    from activities.preview import operand_columns

    columns = operand_columns(alert, given.table, calendars=calendars, others=given.others, higher=given.higher)
    happened = [
        (row + given.begin, event.kind.value) for row, event in result.events if event.kind.value in (FIRED, REARMED)
    ]
    made = chart_of(alert, given.table, columns, happened, given.begin)
    if look.kind == "html":
        from activities.charting.page import page

        content = page(made).encode()
    else:
        from activities.charting.still import draw

        content = draw(made, look.kind, look.theme, look.size)
    try:
        look.path.parent.mkdir(parents=True, exist_ok=True)
        look.path.write_bytes(content)
    except OSError as error:
        raise Failure(f"{look.path} cannot be written: {error.strerror}", INVALID) from None

"""Shows what definitions would do, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.cron import describe
from domain.definition import AlertDefinition
from starter.cli import inputs
from starter.cli.output import number, print_json, print_lines, print_table, say
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from starter.times import told

BRIEFLY = 3.0
MOST_LOOKED = 50  # tickers that are asked for in one dry run


def print_outlooks(definitions: Sequence[AlertDefinition], warnings: Sequence[list[str]], *, as_json: bool) -> None:
    """What would be made, the next ticks, the last values and how far they are from firing."""
    found = run_command(lambda context: _looked(context, definitions[:MOST_LOOKED]))
    if as_json:
        said = [
            {"dry_run": True, "definition": one.as_json(), "warnings": some, **(look.as_json() if look else {})}
            for one, some, look in zip(definitions, warnings, [*found, *[None] * len(definitions)], strict=False)
        ]
        print_json(said[0] if len(said) == 1 else said)
        return
    if len(definitions) > 1:
        rows = [
            [one.symbol, one.timeframe, str(one.rule), look.truth, _away(look)]
            for one, look in zip(definitions, found, strict=False)
        ]
        print_table(["symbol", "bars", "rule", "now", "away"], rows)
    else:
        _print_one(definitions[0], found[0])
    rest = len(definitions) - len(found)
    say(f"nothing was written{f'; {rest:,} more were not looked at' if rest else ''}")


async def _looked(context: Context, definitions: Sequence[AlertDefinition]) -> list[Any]:
    from starter.outlook import outlooks

    return await outlooks(context.settings, context.database, definitions, now())


def _print_one(definition: AlertDefinition, look: Any) -> None:
    zone = inputs.zone(definition.timezone)
    ticks = "; ".join(told(at, zone) for at in look.next_ticks) or "none"
    expires = definition.options.expires_at
    values = ", ".join(f"{name}={number(value)}" for name, value in look.values.items())
    rows = [
        ["rule", f"{definition.symbol} {definition.timeframe}: {definition.rule}"],
        ["rearm", str(definition.rearm)],
        ["looks", f"{describe(definition.parsed_cron)} {definition.timezone}"],
        ["next ticks", ticks],
        ["expires", told(expires, zone) if expires else ""],
        ["channels", ", ".join(definition.notification_channels)],
        ["values", f"{values} (bar closed {look.bar_close:%Y-%m-%d %H:%M:%S} UTC, {look.source})" if values else ""],
        ["now", look.truth if values else ""],
        ["away", _away(look) if values else ""],
        ["problem", look.problem],
    ]
    print_table(["", definition.name], [row for row in rows if row[1]])
    if look.truth == "TRUE" and not definition.options.skip_if_already_true:
        print_lines("it is true now: the alert would fire at its next bar; --skip-if-true waits until it was false")


def _away(look: Any) -> str:
    if look.problem and not look.values:
        return look.problem  # type: ignore[no-any-return]
    if look.truth == "TRUE":
        return "true now"
    return "-" if look.away is None else f"{look.away * 100:.2f} % from firing"


def unknown_tickers(placed: Sequence[Any]) -> dict[str, str]:
    """By id, what no vendor has of it: asked once, as workers do, and briefly."""
    definitions = [one.alert.definition for one in placed]
    found = run_command(lambda context: _briefly(context, definitions))
    return {
        one.alert.id: f"no vendor has {one.alert.definition.symbol} {one.alert.definition.timeframe}: {look.problem}"
        for one, look in zip(placed, found, strict=True)
        if look is not None and look.refused
    }


async def _briefly(context: Context, definitions: Sequence[AlertDefinition]) -> list[Any]:
    import asyncio

    try:
        return await asyncio.wait_for(_looked(context, definitions), BRIEFLY)
    except TimeoutError:  # health says when vendors cannot be reached
        return [None] * len(definitions)

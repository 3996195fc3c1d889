"""Commands on the installation: sync, status, doctor, config, db, keys."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from domain.errors import Fault, InvalidInput
from domain.text import counted
from starter import keys
from starter.cli.options import ConfigFile, Json
from starter.cli.output import (
    FAILED,
    NOT_FOUND,
    Failure,
    pairs,
    plain,
    print_json,
    print_lines,
    print_table,
    say,
    say_notes,
    short,
)
from starter.cli.session import run_command
from starter.clock import now
from starter.context import Context
from storage.database import Database
from worker.schema_folder import SchemaFolder
from worker.settings import effective, load_settings, notes_on


def register(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command("sync")(sync)
    app.command("reload", hidden=True)(sync)
    app.command("status")(status)
    app.command("doctor")(doctor)
    app.command("test-db", hidden=True)(doctor)
    app.command("config")(config)
    keys = typer.Typer(help="API keys: shown once, kept as a hash.", no_args_is_help=True)
    keys.command("create")(create_key)
    keys.command("list")(list_keys)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys")


def sync(
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Bring every row of job_schedules to Temporal now, and show what differs.

    Example: alerts sync --dry-run
    """
    from starter.reconciler.sweep import Reconciler, installation

    async def work(context: Context) -> Any:
        database, settings = context.database, context.settings
        client = await context.gateway.client()
        folder = SchemaFolder(settings.alert_schema_dir)
        reconciler = Reconciler(
            client,
            database,
            await installation(database, now()),
            unmarked=not settings.temporal_address,
            check=lambda stored: folder.check_definition(stored.schedule.definition) if stored.schedule else None,
        )
        planned = await reconciler.plan(full=True, write=not dry_run)
        failed = {} if dry_run else await reconciler.apply(planned)
        async with database.transaction() as unit:
            from storage.stored_schedule import Filter

            invalid = await unit.schedules.page(Filter(invalid=True), None, 1000)
        return planned, failed, {one.id: one for one in (*invalid, *planned.invalid)}

    planned, failed, invalid = run_command(work)
    if as_json:
        actions = [vars(one) for one in planned.actions]
        bad = [{"id": one.id, "errors": [fault.as_json() for fault in one.faults]} for one in invalid.values()]
        print_json(
            {
                "dry_run": dry_run,
                "rows": planned.rows,
                "actions": actions,
                "invalid": bad,
                "failed": len(failed),
                "troubles": failed,
            }
        )
    else:
        rows = [[one.kind.value, one.job_type, one.id, one.why] for one in planned.actions]
        print_table(["action", "type", "id", "why"], rows, f"{planned.rows} rows, nothing to do")
        for one in invalid.values():
            say(f"cannot be used: {one.id}: " + "; ".join(str(fault) for fault in one.faults))
        if rows:
            say(
                f"{len(rows)} to do"
                if dry_run
                else f"{len(rows) - len(failed)} done" + (f", {len(failed)} failed" if failed else "")
            )
    if failed:
        why = "; ".join(f"{name}: {text}" for name, text in list(failed.items())[:5])
        raise Failure(
            f"{len(failed)} of {len(planned.actions)} could not be done ({why}); mend it, and sync again", FAILED
        )


def status(as_json: Json = False) -> None:
    """Show how everything is: health, what there is, what it did.

    Example: alerts status
    """
    from starter.health import Examiner
    from starter.statistics import statistics

    async def work(context: Context) -> Any:
        health = await Examiner(context.database, context.gateway, 0).health(now())
        return health, await statistics(context.database, context.settings, now(), whole=True)

    health, stats = run_command(work)
    if as_json:
        print_json({**health.as_json(), "stats": stats})
    else:
        print_lines(health.status.value)
        rows = [[name, str(part.get("status", "-")), _figures(part)] for name, part in health.components.items()]
        print_table(["component", "status", "figures"], rows)
        for issue in health.issues:
            say(f"{issue.level.value}: {issue.component}: {issue.message}; {issue.mend}")
        say(", ".join(f"{counted(count, 'alert')} {state}" for state, count in stats["alerts"].items()) or "no alerts")
    if health.status == "unhealthy":
        raise typer.Exit(FAILED)


def _figures(part: dict[str, Any]) -> str:
    return pairs({key: value for key, value in part.items() if key not in ("status", "each")})


def doctor(as_json: Json = False) -> None:
    """Check database, Temporal, search attributes, pollers, clock, schema and providers, and say how to mend each.

    Example: alerts doctor
    """
    from starter.doctor import Doctor, Verdict

    settings = load_settings()

    async def work() -> Any:
        database = Database(settings.database)
        try:
            return await Doctor(settings, database).findings()
        finally:
            await database.close()

    findings = asyncio.run(work())
    if as_json:
        print_json([vars(one) for one in findings])
    else:
        marks = {Verdict.OK: "ok", Verdict.NOTE: "note", Verdict.FAIL: "FAIL"}
        print_table(
            ["check", "", "found", "to mend"],
            [[one.check, marks[one.verdict], one.found, one.mend] for one in findings],
        )
    failed = sum(one.verdict is Verdict.FAIL for one in findings)
    if failed:
        raise Failure(f"{failed} of {len(findings)} checks failed", FAILED)


def config(file: ConfigFile = None, as_json: Json = False) -> None:
    """Show the configuration in force; secrets are masked.

    Example: alerts config
    """
    settings = load_settings()
    shown, notes = effective(settings), notes_on(settings)
    if as_json:
        print_json(shown | ({"notes": notes} if notes else {}))
        return
    print_table(["variable", "value"], [[name, str(plain(value))] for name, value in shown.items()])
    say_notes(notes)


def create_key(
    name: Annotated[str, typer.Argument(help="What it is for, such as 'laptop'.")],
    user: Annotated[str, typer.Option(help="Whose it is.")] = "local",
    scope: Annotated[
        list[str] | None, typer.Option(help="read, write, run or admin (repeat); default read, write, run.")
    ] = None,
    days: Annotated[float, typer.Option(min=0, max=36_500, help="Ends after so many days; 0 never.")] = 0,
    as_json: Json = False,
) -> None:
    """Create an API key and show it, this once.

    Example: alerts keys create laptop --user ann --scope read --scope write
    """
    known = [one.value for one in keys.Scope]
    wrong = [one for one in scope or [] if one not in known]
    if wrong:
        raise InvalidInput("options", [Fault("--scope", f"expected some of {', '.join(known)}", one) for one in wrong])
    scopes = [keys.Scope(one) for one in scope or ("read", "write", "run")]

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await keys.create(unit, user, name, scopes, now(), days or None, context.who.user_id)

    key, text = run_command(work)
    if as_json:
        print_json(
            {
                "id": key.id,
                "user_id": key.user_id,
                "scopes": list(key.scopes),
                "expires_at": key.expires_at,
                "key": text,
            }
        )
        return
    print_lines(text)
    say(f"key {key.id} of {key.user_id} ({', '.join(key.scopes)}); it is not shown again")


def list_keys(as_json: Json = False) -> None:
    """List API keys, without their secrets.

    Example: alerts keys list
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            return await unit.keys.list()

    found = run_command(work)
    if as_json:
        print_json([{name: value for name, value in vars(one).items() if name != "secret_hash"} for one in found])
        return
    rows = [
        [
            one.id,
            one.user_id,
            one.name,
            ", ".join(one.scopes),
            short(one.created_at),
            short(one.expires_at),
            short(one.revoked_at),
        ]
        for one in found
    ]
    print_table(
        ["id", "user", "name", "scopes", "created", "expires", "revoked"], rows, "no keys; alerts keys create NAME"
    )


def revoke_key(
    id: Annotated[str, typer.Argument(help="The key's id, as 'alerts keys list' shows it.")], as_json: Json = False
) -> None:
    """End an API key at once.

    Example: alerts keys revoke 3f9c2a5b7d10
    """

    async def work(context: Context) -> Any:
        async with context.database.transaction() as unit:
            revoked = await unit.keys.revoke(id, now())
            if revoked:
                await context.audit(unit, "revoked", "key", id)
            return revoked

    if not run_command(work):
        raise Failure(f"there is no key '{id}' that is alive; see 'alerts keys list'", NOT_FOUND)
    if as_json:
        print_json({"id": id, "revoked": True})
    else:
        say(f"{id} revoked")

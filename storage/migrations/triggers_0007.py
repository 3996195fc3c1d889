"""Triggers on ``job_schedules`` and ``job_schedule_runs``: other programs' rows get what their writers left out.

As of migration 0002, the version of a row grows, its hash goes when the definition changes, and the reconciler hears of it. Since
0007 a row has two names, its number and its key, and its user as well: whichever was written, the other follows. A column of
numbers in SQLite holds the text itself where that is none.

This is how they are from migration 0007 on, and stays so: a migration that changes them brings a module of its own.
"""

from __future__ import annotations

WRITTEN = ("owner", "name", "job_type", "target", "task_params", "cron", "timezone", "enabled", "version")
_DEFINITION = ("name", "job_type", "target", "task_params", "cron", "timezone")
_DIGITS = {"smallint": 4, "integer": 9}  # that fit for certain; a bigint holds 18


def _pattern(kind: str) -> str:
    return f"'^[1-9][0-9]{{0,{_DIGITS.get(kind, 18) - 1}}}$'"


def as_number(text: str) -> str:
    """For SQLite: the whole number that a text is, else the text; ``007`` and ``1e3`` are none."""
    is_number = f"{text} GLOB '[1-9]*' AND {text} NOT GLOB '*[^0-9]*' AND length({text}) <= 18"
    return f"CASE WHEN {is_number} THEN CAST({text} AS INTEGER) ELSE {text} END"


def _any_differs(columns: tuple[str, ...], operator: str, cast: str = "") -> str:
    return " OR ".join(f"NEW.{one}{_cast(one, cast)} {operator} OLD.{one}{_cast(one, cast)}" for one in columns)


def _cast(column: str, cast: str) -> str:
    return cast if column == "task_params" else ""


# Times are texts in SQLite: lists are ordered by them, so that each must be spelled alike, whoever wrote it.
_TIMES = ("created_at", "updated_at")
_RUN_TIMES = ("scheduled_for", "enqueued_at", "started_at", "finished_at")
_DIGIT = "[0-9]"
_SPELLED = "-".join((_DIGIT * 4, _DIGIT * 2, _DIGIT * 2)) + " " + ":".join((_DIGIT * 2,) * 3) + "." + _DIGIT * 6
_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_SET = ", ".join(f"{one} = coalesce(strftime('%Y-%m-%d %H:%M:%f', NEW.{one}), {_NOW}) || '000'" for one in _TIMES)
_IS_SPELLED = " AND ".join(f"(typeof(NEW.{one}) = 'text' AND NEW.{one} GLOB '{_SPELLED}')" for one in _TIMES)
_NORMAL_TIMES = f"UPDATE job_schedules SET {_SET} WHERE rowid = NEW.rowid AND NOT ({_IS_SPELLED})"
_RUN_SET = ", ".join(
    f"{one} = CASE WHEN NEW.{one} GLOB '{_SPELLED}' THEN NEW.{one}"
    f" ELSE coalesce(strftime('%Y-%m-%d %H:%M:%f', NEW.{one}) || '000', NEW.{one}) END"
    for one in _RUN_TIMES
)
_RUN_IS_ODD = "NEW.job_key IS NULL OR NEW.status <> upper(NEW.status) OR " + " OR ".join(
    f"NOT (NEW.{one} IS NULL OR NEW.{one} GLOB '{_SPELLED}')" for one in _RUN_TIMES
)
# What another program inserts under a key that was there before must not look older than what still runs of it.
_LAST = (
    "greatest(coalesce((SELECT max(version) FROM audit_log WHERE object_id = NEW.key), 0), "
    "coalesce((SELECT max(version) FROM alert_events WHERE alert_id = NEW.key), 0))"
)
_MADE = "(SELECT key FROM job_schedules WHERE rowid = NEW.rowid)"
_SQLITE_LAST = _LAST.replace("greatest", "max").replace("NEW.key", _MADE)
_NEXT = (  # numbers come before texts
    "coalesce((SELECT id FROM job_schedules WHERE id < '' AND typeof(id) = 'integer' ORDER BY id DESC LIMIT 1), 0) + 1"
)
_NAMED = f"UPDATE job_schedules SET id = {as_number('key')}, user_id = {as_number('owner')}"
SQLITE_CREATE = (
    f"""CREATE TRIGGER job_schedules_timed AFTER UPDATE OF created_at, updated_at ON job_schedules BEGIN
  {_NORMAL_TIMES};
END""",
    f"""CREATE TRIGGER job_schedules_inserted AFTER INSERT ON job_schedules BEGIN
  {_NORMAL_TIMES};
  UPDATE job_schedules SET
    key = CASE WHEN NEW.key <> '' THEN NEW.key WHEN NEW.id <> 0 THEN NEW.id ELSE {_NEXT} END,
    owner = CASE WHEN NEW.owner <> '' THEN NEW.owner ELSE coalesce(NEW.user_id, 'local') END
    WHERE rowid = NEW.rowid AND (NEW.key = '' OR NEW.owner = '');
  {_NAMED} WHERE rowid = NEW.rowid;
  UPDATE job_schedules SET version = {_SQLITE_LAST} + 1
    WHERE rowid = NEW.rowid AND NEW.version = 1 AND {_SQLITE_LAST} > 0;
  INSERT INTO job_schedule_changes (schedule_id) SELECT key FROM job_schedules WHERE rowid = NEW.rowid;
END""",
    f"""CREATE TRIGGER job_schedules_named AFTER UPDATE OF id, user_id, key, owner ON job_schedules
WHEN OLD.key <> '' AND OLD.owner <> '' BEGIN
  UPDATE job_schedules SET key = CAST(NEW.id AS TEXT)
    WHERE rowid = NEW.rowid AND NEW.id IS NOT OLD.id AND NEW.key IS OLD.key AND CAST(NEW.id AS TEXT) IS NOT CAST(OLD.key AS TEXT);
  UPDATE job_schedules SET owner = coalesce(CAST(NEW.user_id AS TEXT), 'local')
    WHERE rowid = NEW.rowid AND NEW.user_id IS NOT OLD.user_id AND NEW.owner IS OLD.owner
      AND CAST(NEW.user_id AS TEXT) IS NOT CAST(OLD.owner AS TEXT);
  {_NAMED}
    WHERE rowid = NEW.rowid AND (id IS NOT {as_number("key")} OR user_id IS NOT {as_number("owner")});
END""",
    f"""CREATE TRIGGER job_schedules_updated AFTER UPDATE OF {", ".join(WRITTEN)} ON job_schedules
WHEN OLD.owner <> '' AND ({_any_differs(WRITTEN, "IS NOT")}) BEGIN
  UPDATE job_schedules SET version = OLD.version + 1, updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
    WHERE rowid = NEW.rowid AND NEW.version IS OLD.version;
  UPDATE job_schedules SET definition_hash = NULL, errors = NULL
    WHERE rowid = NEW.rowid AND NEW.definition_hash IS OLD.definition_hash AND ({_any_differs(_DEFINITION, "IS NOT")});
  INSERT INTO job_schedule_changes (schedule_id) SELECT key FROM job_schedules WHERE rowid = NEW.rowid;
END""",
    """CREATE TRIGGER job_schedules_deleted AFTER DELETE ON job_schedules BEGIN
  INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.key);
END""",
    """CREATE TRIGGER job_schedules_renamed AFTER UPDATE OF key ON job_schedules WHEN NEW.key IS NOT OLD.key AND OLD.key <> ''
BEGIN
  INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.key), (NEW.key);
END""",
    f"""CREATE TRIGGER job_schedule_runs_inserted AFTER INSERT ON job_schedule_runs BEGIN
  UPDATE job_schedule_runs SET
    job_key = coalesce(NEW.job_key, NEW.job_id),
    status = upper(NEW.status),
    {_RUN_SET}
    WHERE rowid = NEW.rowid AND ({_RUN_IS_ODD});
  UPDATE job_schedule_runs SET
    owner = CASE WHEN NEW.owner <> '' THEN NEW.owner
      ELSE coalesce(NEW.user_id, (SELECT owner FROM job_schedules WHERE key = job_key), 'local') END,
    job_type = CASE WHEN NEW.job_type <> '' THEN NEW.job_type
      ELSE coalesce((SELECT job_type FROM job_schedules WHERE key = job_key), 'alert') END
    WHERE rowid = NEW.rowid AND (NEW.owner = '' OR NEW.job_type = '');
  UPDATE job_schedule_runs SET job_id = {as_number("job_key")}, user_id = {as_number("owner")} WHERE rowid = NEW.rowid;
END""",
    """CREATE TRIGGER job_schedule_runs_spelled AFTER UPDATE OF status ON job_schedule_runs
WHEN NEW.status <> upper(NEW.status) BEGIN
  UPDATE job_schedule_runs SET status = upper(NEW.status) WHERE rowid = NEW.rowid;
END""",
)
SQLITE_DROP = (
    *(
        f"DROP TRIGGER IF EXISTS job_schedules_{name}"
        for name in ("inserted", "updated", "deleted", "renamed", "timed", "named")
    ),
    "DROP TRIGGER IF EXISTS job_schedule_runs_inserted",
    "DROP TRIGGER IF EXISTS job_schedule_runs_spelled",
)


def postgres_create(
    job_number: str = "bigint", row: str = "bigint", user: str = "bigint", run_user: str = "bigint"
) -> tuple[str, ...]:
    """The types of ``job_schedule_runs.job_id``, ``job_schedules.id`` and both ``user_id``, as earlier services made them.

    The functions act with the rights of whoever migrates, so that other programs need none on our tables.
    """
    of_number = "id = NEW.job_id" if job_number in ("bigint", "integer", "smallint") else "id::text = NEW.job_id"
    return (
        f"""CREATE FUNCTION job_schedules_numbered() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  numbers text := pg_get_serial_sequence(TG_RELID::regclass::text, 'id');
BEGIN
  IF coalesce(NEW.owner, '') = '' THEN
    NEW.owner := coalesce(NEW.user_id::text, 'local');
  ELSIF NEW.owner ~ {_pattern(user)} THEN
    NEW.user_id := NEW.owner;
  END IF;
  IF coalesce(NEW.key, '') = '' THEN
    NEW.key := NEW.id::text;
  ELSIF NEW.key ~ {_pattern(row)} AND NEW.key <> NEW.id::text THEN
    NEW.id := NEW.key;
    IF numbers IS NOT NULL THEN
      UPDATE job_schedules SET id = nextval(numbers) WHERE id = NEW.id AND key <> id::text;
    END IF;
  END IF;
  IF numbers IS NOT NULL AND NEW.id > coalesce(pg_sequence_last_value(numbers::regclass), 0) THEN
    PERFORM setval(numbers, NEW.id);
  END IF;
  IF NEW.version = 1 THEN
    NEW.version := {_LAST} + 1;
  END IF;
  RETURN NEW;
END $$""",
        "CREATE TRIGGER job_schedules_numbered BEFORE INSERT ON job_schedules FOR EACH ROW "
        "EXECUTE FUNCTION job_schedules_numbered()",
        f"""CREATE FUNCTION job_schedules_versioned() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.owner IS DISTINCT FROM OLD.owner THEN
    NEW.user_id := CASE WHEN NEW.owner ~ {_pattern(user)} THEN NEW.owner END;
  ELSIF NEW.user_id IS DISTINCT FROM OLD.user_id THEN
    NEW.owner := coalesce(NEW.user_id::text, 'local');
  END IF;
  IF NEW.key IS DISTINCT FROM OLD.key THEN
    IF NEW.key ~ {_pattern(row)} THEN
      NEW.id := NEW.key;
    END IF;
  ELSIF NEW.id IS DISTINCT FROM OLD.id AND OLD.key = OLD.id::text THEN
    NEW.key := NEW.id::text;
  END IF;
  IF ({_any_differs(WRITTEN, "IS DISTINCT FROM", "::text")}) AND NEW.version = OLD.version THEN
    NEW.version := OLD.version + 1;
    NEW.updated_at := clock_timestamp();
  END IF;
  IF NEW.definition_hash IS NOT DISTINCT FROM OLD.definition_hash
     AND ({_any_differs(_DEFINITION, "IS DISTINCT FROM", "::text")}) THEN
    NEW.definition_hash := NULL;
    NEW.errors := NULL;
  END IF;
  RETURN NEW;
END $$""",
        f"""CREATE FUNCTION job_schedules_changed() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.key IS DISTINCT FROM OLD.key THEN
      INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.key);
    ELSIF NOT ({_any_differs(WRITTEN, "IS DISTINCT FROM", "::text")}) THEN
      RETURN NULL;
    END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN
    INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.key);
  ELSE
    INSERT INTO job_schedule_changes (schedule_id) VALUES (NEW.key);
  END IF;
  RETURN NULL;
END $$""",
        "CREATE TRIGGER job_schedules_versioned BEFORE UPDATE ON job_schedules FOR EACH ROW "
        "EXECUTE FUNCTION job_schedules_versioned()",
        "CREATE TRIGGER job_schedules_changed AFTER INSERT OR UPDATE OR DELETE ON job_schedules FOR EACH ROW "
        "EXECUTE FUNCTION job_schedules_changed()",
        f"""CREATE FUNCTION job_schedule_runs_numbered() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF NEW.job_key IS NULL AND NEW.job_id IS NOT NULL THEN
    NEW.job_key := coalesce((SELECT key FROM job_schedules WHERE {of_number}), NEW.job_id::text);
  ELSIF NEW.job_id IS NULL AND NEW.job_key IS NOT NULL THEN
    NEW.job_id := (SELECT id FROM job_schedules WHERE key = NEW.job_key);
  END IF;
  IF coalesce(NEW.owner, '') = '' THEN
    NEW.owner := coalesce(NEW.user_id::text, (SELECT owner FROM job_schedules WHERE key = NEW.job_key), 'local');
  END IF;
  IF NEW.user_id IS NULL AND NEW.owner ~ {_pattern(run_user)} THEN
    NEW.user_id := NEW.owner;
  END IF;
  IF coalesce(NEW.job_type, '') = '' THEN
    NEW.job_type := coalesce((SELECT job_type FROM job_schedules WHERE key = NEW.job_key), 'alert');
  END IF;
  NEW.status := upper(NEW.status);
  RETURN NEW;
END $$""",
        "CREATE TRIGGER job_schedule_runs_numbered BEFORE INSERT OR UPDATE OF status ON job_schedule_runs FOR EACH ROW "
        "EXECUTE FUNCTION job_schedule_runs_numbered()",
    )


POSTGRES_DROP = (
    "DROP TRIGGER IF EXISTS job_schedules_changed ON job_schedules",
    "DROP TRIGGER IF EXISTS job_schedules_versioned ON job_schedules",
    "DROP TRIGGER IF EXISTS job_schedules_numbered ON job_schedules",
    "DROP TRIGGER IF EXISTS job_schedule_runs_numbered ON job_schedule_runs",
    "DROP FUNCTION IF EXISTS job_schedules_numbered()",
    "DROP FUNCTION IF EXISTS job_schedules_changed()",
    "DROP FUNCTION IF EXISTS job_schedules_versioned()",
    "DROP FUNCTION IF EXISTS job_schedule_runs_numbered()",
)


def create(dialect: str) -> tuple[str, ...]:
    """Statements that make the triggers."""
    return postgres_create() if dialect == "postgresql" else SQLITE_CREATE


def drop(dialect: str) -> tuple[str, ...]:
    """Statements that take them away."""
    return POSTGRES_DROP if dialect == "postgresql" else SQLITE_DROP

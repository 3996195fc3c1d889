"""Triggers on ``job_schedules``: whatever program writes a row, its version grows and the reconciler hears of it.

A writer that sets ``version`` itself keeps it; one that does not gets the next. A definition changed without a new
``definition_hash`` loses its hash, which marks it as not read yet. Batch migrations of SQLite make the table anew and lose its
triggers: they must be dropped before and created after.

This is how they are from migration 0002 on, and stays so: a migration that changes them brings a module of its own.
"""

from __future__ import annotations

WRITTEN = ("user_id", "name", "job_type", "target", "task_params", "cron", "timezone", "enabled", "version")
_DEFINITION = ("name", "job_type", "target", "task_params", "cron", "timezone")


def _any_differs(columns: tuple[str, ...], operator: str, cast: str = "") -> str:
    return " OR ".join(f"NEW.{one}{_cast(one, cast)} {operator} OLD.{one}{_cast(one, cast)}" for one in columns)


def _cast(column: str, cast: str) -> str:
    return cast if column == "task_params" else ""


# Times are texts in SQLite: lists are ordered by them, so that each must be spelled alike, whoever wrote it.
_TIMES = ("created_at", "updated_at")
_DIGIT = "[0-9]"
_SPELLED = "-".join((_DIGIT * 4, _DIGIT * 2, _DIGIT * 2)) + " " + ":".join((_DIGIT * 2,) * 3) + "." + _DIGIT * 6
_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
_SET = ", ".join(f"{one} = coalesce(strftime('%Y-%m-%d %H:%M:%f', NEW.{one}), {_NOW}) || '000'" for one in _TIMES)
_IS_SPELLED = " AND ".join(f"(typeof(NEW.{one}) = 'text' AND NEW.{one} GLOB '{_SPELLED}')" for one in _TIMES)
_NORMAL_TIMES = f"UPDATE job_schedules SET {_SET} WHERE id = NEW.id AND NOT ({_IS_SPELLED})"
# What another program inserts under an id that was there before must not look older than what still runs of it.
_LAST = (
    "greatest(coalesce((SELECT max(version) FROM audit_log WHERE object_id = NEW.id), 0), "
    "coalesce((SELECT max(version) FROM alert_events WHERE alert_id = NEW.id), 0))"
)
_SQLITE_LAST = _LAST.replace("greatest", "max")
SQLITE_CREATE = (
    f"""CREATE TRIGGER job_schedules_timed AFTER UPDATE OF created_at, updated_at ON job_schedules BEGIN
  {_NORMAL_TIMES};
END""",
    f"""CREATE TRIGGER job_schedules_inserted AFTER INSERT ON job_schedules BEGIN
  {_NORMAL_TIMES};
  UPDATE job_schedules SET version = {_SQLITE_LAST} + 1 WHERE id = NEW.id AND NEW.version = 1 AND {_SQLITE_LAST} > 0;
  INSERT INTO job_schedule_changes (schedule_id) VALUES (NEW.id);
END""",
    f"""CREATE TRIGGER job_schedules_updated AFTER UPDATE OF {", ".join(WRITTEN)} ON job_schedules
WHEN {_any_differs(WRITTEN, "IS NOT")} BEGIN
  UPDATE job_schedules SET version = OLD.version + 1, updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
    WHERE id = NEW.id AND NEW.version IS OLD.version;
  UPDATE job_schedules SET definition_hash = NULL, errors = NULL
    WHERE id = NEW.id AND NEW.definition_hash IS OLD.definition_hash AND ({_any_differs(_DEFINITION, "IS NOT")});
  INSERT INTO job_schedule_changes (schedule_id) VALUES (NEW.id);
END""",
    """CREATE TRIGGER job_schedules_deleted AFTER DELETE ON job_schedules BEGIN
  INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.id);
END""",
    """CREATE TRIGGER job_schedules_renamed AFTER UPDATE OF id ON job_schedules WHEN NEW.id IS NOT OLD.id BEGIN
  INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.id), (NEW.id);
END""",
)
SQLITE_DROP = tuple(
    f"DROP TRIGGER IF EXISTS job_schedules_{name}" for name in ("inserted", "updated", "deleted", "renamed", "timed")
)
POSTGRES_CREATE = (
    f"""CREATE FUNCTION job_schedules_numbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.version = 1 THEN
    NEW.version := {_LAST} + 1;
  END IF;
  RETURN NEW;
END $$""",
    "CREATE TRIGGER job_schedules_numbered BEFORE INSERT ON job_schedules FOR EACH ROW "
    "EXECUTE FUNCTION job_schedules_numbered()",
    f"""CREATE FUNCTION job_schedules_versioned() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
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
    f"""CREATE FUNCTION job_schedules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.id IS DISTINCT FROM OLD.id THEN
      INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.id);
    ELSIF NOT ({_any_differs(WRITTEN, "IS DISTINCT FROM", "::text")}) THEN
      RETURN NULL;
    END IF;
  END IF;
  IF TG_OP = 'DELETE' THEN
    INSERT INTO job_schedule_changes (schedule_id) VALUES (OLD.id);
  ELSE
    INSERT INTO job_schedule_changes (schedule_id) VALUES (NEW.id);
  END IF;
  RETURN NULL;
END $$""",
    "CREATE TRIGGER job_schedules_versioned BEFORE UPDATE ON job_schedules FOR EACH ROW "
    "EXECUTE FUNCTION job_schedules_versioned()",
    "CREATE TRIGGER job_schedules_changed AFTER INSERT OR UPDATE OR DELETE ON job_schedules FOR EACH ROW "
    "EXECUTE FUNCTION job_schedules_changed()",
    "ALTER TABLE job_schedules ALTER COLUMN id SET DEFAULT replace(gen_random_uuid()::text, '-', '')",
)
POSTGRES_DROP = (
    "ALTER TABLE job_schedules ALTER COLUMN id DROP DEFAULT",
    "DROP TRIGGER IF EXISTS job_schedules_changed ON job_schedules",
    "DROP TRIGGER IF EXISTS job_schedules_versioned ON job_schedules",
    "DROP TRIGGER IF EXISTS job_schedules_numbered ON job_schedules",
    "DROP FUNCTION IF EXISTS job_schedules_numbered()",
    "DROP FUNCTION IF EXISTS job_schedules_changed()",
    "DROP FUNCTION IF EXISTS job_schedules_versioned()",
)


def create(dialect: str) -> tuple[str, ...]:
    """Statements that make the triggers."""
    return POSTGRES_CREATE if dialect == "postgresql" else SQLITE_CREATE


def drop(dialect: str) -> tuple[str, ...]:
    """Statements that take them away."""
    return POSTGRES_DROP if dialect == "postgresql" else SQLITE_DROP

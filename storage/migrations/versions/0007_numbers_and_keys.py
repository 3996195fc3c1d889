"""schedules and users have numbers again, as other programs know them, beside keys; JSONB and UUID on PostgreSQL"""

from alembic import op
import sqlalchemy as sa

from storage.migrations import triggers_0002 as before
from storage.migrations import triggers_0007 as triggers
from storage.types import Number


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

UUID4 = (
    "(lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-a' || "
    "substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))))"
)
NOW = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"
OLD_INDEXES = {
    'user': ['user_id', 'created_at', 'id'], 'type': ['job_type', 'created_at', 'id'], 'created': ['created_at', 'id'],
    'target': ['target', 'created_at', 'id'], 'status': ['status', 'created_at', 'id'],
}
INDEXES = {
    'owner': ['owner', 'created_at', 'key'], 'user_id': ['user_id'], 'type': ['job_type', 'created_at', 'key'],
    'created': ['created_at', 'key'], 'target': ['target', 'created_at', 'key'], 'status': ['status', 'created_at', 'key'],
}
OLD_RUN_INDEXES = {'user': ['user_id', 'id'], 'job': ['job_id', 'id']}
RUN_INDEXES = {'owner': ['owner', 'id'], 'user_id': ['user_id'], 'job': ['job_key', 'id'], 'job_id': ['job_id']}
NUMBER = "'^[1-9][0-9]{0,17}$'"
JSONB = {'job_schedules': ['task_params'], 'job_schedule_runs': ['job_snapshot', 'result']}


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == 'sqlite'
    for statement in before.drop('sqlite' if sqlite else 'postgresql'):
        op.execute(statement)
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        for name in OLD_INDEXES:
            batch.drop_index(f'ix_job_schedules_{name}')
        batch.alter_column('id', new_column_name='key', existing_type=sa.String(length=64), server_default='')
        batch.alter_column('user_id', new_column_name='owner', existing_type=sa.String(length=64), server_default='')
        batch.alter_column('name', existing_type=sa.String(length=200), type_=sa.String(length=255))
        batch.alter_column('job_type', existing_type=sa.String(length=32), type_=sa.String(length=50))
        batch.alter_column('target', existing_type=sa.String(length=64), type_=sa.String(length=255))
    with op.batch_alter_table('job_schedule_runs', schema=None) as batch:
        for name in OLD_RUN_INDEXES:
            batch.drop_index(f'ix_job_schedule_runs_{name}')
        batch.drop_constraint('uq_job_schedule_runs_slot', type_='unique')
        batch.alter_column('job_id', new_column_name='job_key', existing_type=sa.String(length=64))
        batch.alter_column('user_id', new_column_name='owner', existing_type=sa.String(length=64), server_default='')
        batch.alter_column('job_type', existing_type=sa.String(length=32), type_=sa.String(length=50), server_default='')
        batch.alter_column('status', existing_type=sa.String(length=16), type_=sa.String(length=20), server_default='PENDING')
        batch.alter_column('worker_id', existing_type=sa.String(length=200), type_=sa.String(length=255))
        batch.alter_column('job_snapshot', server_default=sa.text("'{}'"))
        for time in ('scheduled_for', 'enqueued_at'):
            batch.alter_column(time, server_default=sa.text(NOW) if sqlite else sa.func.clock_timestamp())
        if sqlite:
            batch.alter_column('run_id', server_default=sa.text(UUID4))
    for table, column in (('job_schedules', 'id'), ('job_schedules', 'user_id'), ('job_schedule_runs', 'job_id'),
                          ('job_schedule_runs', 'user_id')):
        op.add_column(table, sa.Column(column, Number(), nullable=True))
    for statement in SQLITE_NUMBERS if sqlite else POSTGRES_NUMBERS:
        op.execute(statement)
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        if sqlite:
            batch.alter_column('id', existing_type=Number(), nullable=False, server_default=sa.text('0'))
        batch.create_unique_constraint('uq_job_schedules_id', ['id'])
    with op.batch_alter_table('job_schedule_runs', schema=None) as batch:
        batch.create_unique_constraint('uq_job_schedule_runs_slot', ['job_key', 'scheduled_for'])
    make_indexes(INDEXES, RUN_INDEXES)
    for statement in triggers.create('sqlite' if sqlite else 'postgresql'):
        op.execute(statement)


SQLITE_NUMBERS = (
    f"UPDATE job_schedules SET id = {triggers.as_number('key')}, user_id = {triggers.as_number('owner')}",
    f"UPDATE job_schedule_runs SET job_id = {triggers.as_number('job_key')}, user_id = {triggers.as_number('owner')}",
)
POSTGRES_NUMBERS = (
    *(
        statement
        for table, columns in JSONB.items()
        for one in columns
        for statement in (
            f"ALTER TABLE {table} ALTER COLUMN {one} DROP DEFAULT",
            f"ALTER TABLE {table} ALTER COLUMN {one} TYPE JSONB USING {one}::jsonb",
        )
    ),
    "ALTER TABLE job_schedules ALTER COLUMN task_params SET DEFAULT '{}'",
    "ALTER TABLE job_schedule_runs ALTER COLUMN job_snapshot SET DEFAULT '{}'",
    "ALTER TABLE job_schedule_runs ALTER COLUMN run_id TYPE UUID USING run_id::uuid",
    "ALTER TABLE job_schedule_runs ALTER COLUMN run_id SET DEFAULT gen_random_uuid()",
    f"UPDATE job_schedules SET user_id = owner::bigint WHERE owner ~ {NUMBER}",
    f"UPDATE job_schedules SET id = key::bigint WHERE key ~ {NUMBER}",
    "UPDATE job_schedules one SET id = highest.id + other.place FROM "
    "(SELECT key, row_number() OVER (ORDER BY created_at, key) AS place FROM job_schedules WHERE id IS NULL) other, "
    "(SELECT coalesce(max(id), 0) AS id FROM job_schedules) highest WHERE one.key = other.key",
    "ALTER TABLE job_schedules ALTER COLUMN id SET NOT NULL",
    "ALTER TABLE job_schedules ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY",
    "SELECT setval(pg_get_serial_sequence('job_schedules', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM job_schedules), false)",
    "UPDATE job_schedule_runs run SET job_id = one.id FROM job_schedules one WHERE one.key = run.job_key",
    f"UPDATE job_schedule_runs SET user_id = owner::bigint WHERE owner ~ {NUMBER}",
)


def make_indexes(schedules: dict[str, list[str]], runs: dict[str, list[str]]) -> None:
    for name, columns in schedules.items():
        op.create_index(f'ix_job_schedules_{name}', 'job_schedules', columns)
    for name, columns in runs.items():
        op.create_index(f'ix_job_schedule_runs_{name}', 'job_schedule_runs', columns)


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == 'sqlite'
    for statement in triggers.drop('sqlite' if sqlite else 'postgresql'):
        op.execute(statement)
    if not sqlite:
        for table, columns in JSONB.items():
            for one in columns:
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {one} DROP DEFAULT")
                op.execute(f"ALTER TABLE {table} ALTER COLUMN {one} TYPE JSON USING {one}::json")
        op.execute("ALTER TABLE job_schedules ALTER COLUMN task_params SET DEFAULT '{}'")
        op.execute("ALTER TABLE job_schedule_runs ALTER COLUMN run_id DROP DEFAULT")
        op.execute("ALTER TABLE job_schedule_runs ALTER COLUMN run_id TYPE VARCHAR(36) USING run_id::text")
    # what the version before could not hold
    op.execute("DELETE FROM job_schedules WHERE length(name) > 200 OR length(job_type) > 32 OR length(target) > 64")
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        batch.drop_constraint('uq_job_schedules_id', type_='unique')
        for name in INDEXES:
            batch.drop_index(f'ix_job_schedules_{name}')
        batch.drop_column('id')
        batch.drop_column('user_id')
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        key = sa.text('(lower(hex(randomblob(8))))') if sqlite else None
        batch.alter_column('key', new_column_name='id', existing_type=sa.String(length=64), server_default=key)
        batch.alter_column('owner', new_column_name='user_id', existing_type=sa.String(length=64), server_default='local')
        batch.alter_column('name', existing_type=sa.String(length=255), type_=sa.String(length=200))
        batch.alter_column('job_type', existing_type=sa.String(length=50), type_=sa.String(length=32))
        batch.alter_column('target', existing_type=sa.String(length=255), type_=sa.String(length=64))
    with op.batch_alter_table('job_schedule_runs', schema=None) as batch:
        for name in RUN_INDEXES:
            batch.drop_index(f'ix_job_schedule_runs_{name}')
        batch.drop_constraint('uq_job_schedule_runs_slot', type_='unique')
        batch.drop_column('job_id')
        batch.drop_column('user_id')
    with op.batch_alter_table('job_schedule_runs', schema=None) as batch:
        batch.alter_column('job_key', new_column_name='job_id', existing_type=sa.String(length=64))
        batch.alter_column('owner', new_column_name='user_id', existing_type=sa.String(length=64), server_default=None)
        batch.alter_column('job_type', existing_type=sa.String(length=50), type_=sa.String(length=32), server_default=None)
        batch.alter_column('status', existing_type=sa.String(length=20), type_=sa.String(length=16), server_default=None)
        batch.alter_column('worker_id', existing_type=sa.String(length=255), type_=sa.String(length=200))
        for column in ('job_snapshot', 'scheduled_for', 'enqueued_at'):
            batch.alter_column(column, server_default=None)
        if sqlite:
            batch.alter_column('run_id', server_default=None)
    with op.batch_alter_table('job_schedule_runs', schema=None) as batch:
        batch.create_unique_constraint('uq_job_schedule_runs_slot', ['job_id', 'scheduled_for'])
    make_indexes(OLD_INDEXES, OLD_RUN_INDEXES)
    for statement in before.create('sqlite' if sqlite else 'postgresql'):
        op.execute(statement)

"""rows any program may write, runs, audit, API keys"""

from alembic import op
import sqlalchemy as sa

from storage.migrations import triggers_0002 as triggers
from storage.types import Json, UtcDateTime


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
DEFAULTS = {
    'user_id': 'local', 'name': '', 'job_type': 'alert', 'task_params': sa.text("'{}'"), 'cron': '', 'timezone': 'UTC',
    'enabled': sa.true(), 'version': '1', 'created_at': sa.func.current_timestamp(), 'updated_at': sa.func.current_timestamp(),
    'status': 'ARMED', 'reason': 'created', 'state_version': '0', 'trigger_count': '0',
}
OLD_INDEXES = {
    'ix_job_schedules_type_enabled': ['job_type', 'enabled'],
    'ix_job_schedules_updated': ['updated_at'],
    'ix_job_schedules_user': ['user_id'],
}
INDEXES = {
    'ix_job_schedules_user': ['user_id', 'created_at', 'id'],
    'ix_job_schedules_type': ['job_type', 'created_at', 'id'],
    'ix_job_schedules_created': ['created_at', 'id'],
    'ix_job_schedules_target': ['target', 'created_at', 'id'],
    'ix_job_schedules_status': ['status', 'created_at', 'id'],
}
ADDED = ('errors', 'state', 'snoozed_until')


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        for name in OLD_INDEXES:
            batch.drop_index(name)
        if dialect == 'sqlite':
            batch.alter_column('id', server_default=sa.text('(lower(hex(randomblob(8))))'))
        for column, default in DEFAULTS.items():
            batch.alter_column(column, server_default=default)
        batch.alter_column('definition_hash', existing_type=sa.String(length=16), nullable=True)
        batch.add_column(sa.Column('errors', Json(), nullable=True))
        batch.add_column(sa.Column('state', Json(), nullable=True))
        batch.add_column(sa.Column('snoozed_until', UtcDateTime(), nullable=True))
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        for name, columns in INDEXES.items():
            batch.create_index(name, columns)
    with op.batch_alter_table('deliveries', schema=None) as batch:
        batch.create_index('ix_deliveries_alert', ['alert_id', 'id'])
    op.create_table('job_schedule_changes',
    sa.Column('seq', SERIAL, autoincrement=True, nullable=False),
    sa.Column('schedule_id', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('seq')
    )
    op.create_table('job_schedule_runs',
    sa.Column('id', SERIAL, autoincrement=True, nullable=False),
    sa.Column('run_id', sa.String(length=36), nullable=False),
    sa.Column('job_type', sa.String(length=32), nullable=False),
    sa.Column('job_id', sa.String(length=64), nullable=True),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('scheduled_for', UtcDateTime(), nullable=False),
    sa.Column('enqueued_at', UtcDateTime(), nullable=True),
    sa.Column('started_at', UtcDateTime(), nullable=True),
    sa.Column('finished_at', UtcDateTime(), nullable=True),
    sa.Column('job_snapshot', Json(), nullable=False),
    sa.Column('result', Json(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('worker_id', sa.String(length=200), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('run_id', name='uq_job_schedule_runs_run_id'),
    sa.UniqueConstraint('job_id', 'scheduled_for', name='uq_job_schedule_runs_slot')
    )
    for name, columns in (('user', ['user_id', 'id']), ('job', ['job_id', 'id']), ('status', ['status', 'id']),
                          ('type', ['job_type', 'id']), ('scheduled', ['scheduled_for'])):
        op.create_index(f'ix_job_schedule_runs_{name}', 'job_schedule_runs', columns)
    op.create_table('audit_log',
    sa.Column('id', SERIAL, autoincrement=True, nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('actor', sa.String(length=120), nullable=False),
    sa.Column('client', sa.String(length=32), nullable=False),
    sa.Column('action', sa.String(length=32), nullable=False),
    sa.Column('object_type', sa.String(length=32), nullable=False),
    sa.Column('object_id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.Integer(), nullable=True),
    sa.Column('detail', Json(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_audit_log_object', 'audit_log', ['object_id', 'id'])
    op.create_index('ix_audit_log_at', 'audit_log', ['at'])
    op.create_table('api_keys',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('secret_hash', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.String(length=64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=True),
    sa.Column('revoked_at', UtcDateTime(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_api_keys_user', 'api_keys', ['user_id'])
    op.create_table('idempotency_keys',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('request_hash', sa.String(length=64), nullable=False),
    sa.Column('status', sa.Integer(), nullable=False),
    sa.Column('headers', Json(), nullable=False),
    sa.Column('body', Json(), nullable=True),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'key')
    )
    op.create_index('ix_idempotency_keys_created', 'idempotency_keys', ['created_at'])
    op.create_table('system_notes',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('at', UtcDateTime(), nullable=False),
    sa.Column('value', Json(), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    for statement in triggers.create(dialect):
        op.execute(statement)


def downgrade() -> None:
    dialect = op.get_bind().dialect.name
    for statement in triggers.drop(dialect):
        op.execute(statement)
    for table in ('system_notes', 'idempotency_keys', 'api_keys', 'audit_log', 'job_schedule_runs', 'job_schedule_changes'):
        op.drop_table(table)
    with op.batch_alter_table('deliveries', schema=None) as batch:
        batch.drop_index('ix_deliveries_alert')
    # what the first version could not hold: rows of other types, and rows that were never read
    op.execute("DELETE FROM job_schedules WHERE job_type <> 'alert' OR definition_hash IS NULL")
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        for name in INDEXES:
            batch.drop_index(name)
        for column in ADDED:
            batch.drop_column(column)
        batch.alter_column('definition_hash', existing_type=sa.String(length=16), nullable=False)
        if dialect == 'sqlite':
            batch.alter_column('id', server_default=None)
        for column in DEFAULTS:
            batch.alter_column(column, server_default=None)
    with op.batch_alter_table('job_schedules', schema=None) as batch:
        for name, columns in OLD_INDEXES.items():
            batch.create_index(name, columns)

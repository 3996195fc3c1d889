"""deliveries of runs beside those of events; numbers of changes that are never used again"""

from alembic import op
import sqlalchemy as sa

from storage.migrations import triggers_0002 as triggers


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None
NAMES = {'fk': 'fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s'}


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    if dialect == 'sqlite':
        _number_changes('PRIMARY KEY AUTOINCREMENT')
        with op.batch_alter_table('deliveries', schema=None, naming_convention=NAMES) as batch:
            batch.drop_constraint('fk_deliveries_event_id_alert_events', type_='foreignkey')
    else:
        op.drop_constraint('deliveries_event_id_fkey', 'deliveries', type_='foreignkey')
    op.add_column('deliveries', sa.Column('kind', sa.String(length=16), server_default='alert', nullable=False))
    op.add_column('deliveries', sa.Column('priority', sa.String(length=16), server_default='normal', nullable=False))


def downgrade() -> None:
    op.execute("DELETE FROM deliveries WHERE kind <> 'alert' OR event_id NOT IN (SELECT id FROM alert_events)")
    if op.get_bind().dialect.name == 'sqlite':
        with op.batch_alter_table('deliveries', schema=None, naming_convention=NAMES) as batch:
            batch.drop_column('kind')
            batch.drop_column('priority')
            batch.create_foreign_key('fk_deliveries_event_id_alert_events', 'alert_events', ['event_id'], ['id'], ondelete='CASCADE')
        _number_changes('PRIMARY KEY')
    else:
        op.drop_column('deliveries', 'kind')
        op.drop_column('deliveries', 'priority')
        op.create_foreign_key('deliveries_event_id_fkey', 'deliveries', 'alert_events', ['event_id'], ['id'], ondelete='CASCADE')


def _number_changes(key: str) -> None:
    """The table made anew; triggers that write to it must not follow the old one."""
    for statement in triggers.drop('sqlite'):
        op.execute(statement)
    op.execute('ALTER TABLE job_schedule_changes RENAME TO job_schedule_changes_old')
    op.execute(f'CREATE TABLE job_schedule_changes (seq INTEGER NOT NULL {key}, schedule_id VARCHAR(64) NOT NULL)')
    op.execute('INSERT INTO job_schedule_changes (seq, schedule_id) SELECT seq, schedule_id FROM job_schedule_changes_old')
    op.execute('DROP TABLE job_schedule_changes_old')
    for statement in triggers.create('sqlite'):
        op.execute(statement)

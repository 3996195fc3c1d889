"""users' sets of tickers and holdings, files and progress of runs, what deliveries are about; msg_system_health: heartbeats of every process, one that another program left is kept under another name"""

from alembic import op
import sqlalchemy as sa

from storage.types import Json, Jsonb, UtcDateTime


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

TABLE, EARLIER = 'msg_system_health', 'msg_system_health_before'


def upgrade() -> None:
    op.add_column('job_schedule_runs', sa.Column('progress', Jsonb(), nullable=True))
    op.add_column('deliveries', sa.Column('about', Json(), nullable=True))
    op.create_table('ticker_sets',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('symbols', Json(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'name')
    )
    op.create_table('holdings',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('symbol', sa.String(length=64), nullable=False),
    sa.Column('quantity', sa.Float(), nullable=False),
    sa.Column('cost', sa.Float(), nullable=True),
    sa.Column('currency', sa.String(length=8), server_default='', nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'symbol')
    )
    op.create_table('run_files',
    sa.Column('run_id', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=16), nullable=False),
    sa.Column('media_type', sa.String(length=64), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('run_id', 'name')
    )
    op.create_index('ix_run_files_created', 'run_files', ['created_at'])
    if sa.inspect(op.get_bind()).has_table(TABLE):
        op.rename_table(TABLE, EARLIER)
    op.create_table(TABLE,
    sa.Column('system', sa.String(length=64), nullable=False),
    sa.Column('instance', sa.String(length=120), nullable=False),
    sa.Column('status', sa.String(length=16), nullable=False),
    sa.Column('started_at', UtcDateTime(), nullable=False),
    sa.Column('last_heartbeat', UtcDateTime(), nullable=False),
    sa.Column('version', sa.String(length=32), server_default='', nullable=False),
    sa.Column('issues', Json(), nullable=True),
    sa.Column('metrics', Json(), nullable=True),
    sa.PrimaryKeyConstraint('system', 'instance', name='pk_system_heartbeats')
    )


def downgrade() -> None:
    op.drop_table('run_files')
    op.drop_table('holdings')
    op.drop_table('ticker_sets')
    op.drop_column('job_schedule_runs', 'progress')
    op.drop_column('deliveries', 'about')
    op.drop_table(TABLE)
    if sa.inspect(op.get_bind()).has_table(EARLIER):
        op.rename_table(EARLIER, TABLE)

"""destinations, quiet hours, silences, and deliveries that are tried again"""

from alembic import op
import sqlalchemy as sa

from storage.types import UtcDateTime


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
TIMES = ('retried_at', 'next_try_at', 'held_until', 'group_until', 'handed_at')
INDEXES = {'user': ['user_id', 'id'], 'waiting': ['user_id', 'channel', 'status', 'id']}


def upgrade() -> None:
    for column in TIMES:
        op.add_column('deliveries', sa.Column(column, UtcDateTime(), nullable=True))
    op.execute('UPDATE deliveries SET handed_at = created_at')
    op.add_column('deliveries', sa.Column('group_key', sa.String(length=64), server_default='', nullable=False))
    op.create_table('notice_turns',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=80), nullable=False),
    sa.Column('busy_until', UtcDateTime(), nullable=False),
    sa.Column('opens_at', UtcDateTime(), nullable=False),
    sa.Column('failures', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'channel')
    )
    for name, columns in INDEXES.items():
        op.create_index(f'ix_deliveries_{name}', 'deliveries', columns)
    op.create_table('destinations',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('secret', sa.Text(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('updated_at', UtcDateTime(), nullable=False),
    sa.Column('disabled_at', UtcDateTime(), nullable=True),
    sa.Column('problem', sa.Text(), server_default='', nullable=False),
    sa.Column('fallback_after', sa.Integer(), nullable=True),
    sa.Column('group_by', sa.String(length=16), server_default='', nullable=False),
    sa.Column('group_wait', sa.Integer(), server_default='0', nullable=False),
    sa.PrimaryKeyConstraint('user_id', 'name')
    )
    op.create_table('telegram_chats',
    sa.Column('chat_id', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('sender_id', sa.BigInteger(), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('title', sa.String(length=255), server_default='', nullable=False),
    sa.Column('destination', sa.String(length=64), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('chat_id')
    )
    op.create_table('telegram_codes',
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('expires_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('code_hash')
    )
    op.create_table('quiet_hours',
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('hours', sa.String(length=16), nullable=False),
    sa.Column('timezone', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('user_id')
    )
    op.create_table('silences',
    sa.Column('id', SERIAL, autoincrement=True, nullable=False),
    sa.Column('user_id', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('value', sa.String(length=255), nullable=False),
    sa.Column('until', UtcDateTime(), nullable=False),
    sa.Column('reason', sa.String(length=500), server_default='', nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_silences_user', 'silences', ['user_id', 'until'])


def downgrade() -> None:
    for table in ('telegram_codes', 'telegram_chats', 'notice_turns', 'silences', 'quiet_hours', 'destinations'):
        op.drop_table(table)
    for name in INDEXES:
        op.drop_index(f'ix_deliveries_{name}', 'deliveries')
    for column in (*TIMES, 'group_key'):
        op.drop_column('deliveries', column)

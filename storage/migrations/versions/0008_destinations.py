"""destinations, and deliveries that are tried again"""

from alembic import op
import sqlalchemy as sa

from storage.types import UtcDateTime


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

INDEXES = {
    'user': ['user_id', 'id'], 'waiting': ['user_id', 'channel', 'status', 'id'], 'delivered': ['user_id', 'channel', 'delivered_at'],
}


def upgrade() -> None:
    op.add_column('deliveries', sa.Column('retried_at', UtcDateTime(), nullable=True))
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
    sa.PrimaryKeyConstraint('user_id', 'name')
    )


def downgrade() -> None:
    op.drop_table('destinations')
    for name in INDEXES:
        op.drop_index(f'ix_deliveries_{name}', 'deliveries')
    op.drop_column('deliveries', 'retried_at')

"""The notification service by itself: ``POST /api/notify``, what became of it, and ``/health``."""

from __future__ import annotations

from fastapi import FastAPI

from starter.api.app import create_app
from starter.api.routes import deliveries, notify
from storage.database import Database
from worker.settings import Settings

TITLE = "Market alerts: notification service"


def create_notifier(settings: Settings, database: Database) -> FastAPI:
    """The service on a migrated database; what it takes is told by the workers."""
    return create_app(settings, database, routers=(notify.router, deliveries.router), beside=(), title=TITLE)

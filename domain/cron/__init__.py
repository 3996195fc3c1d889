"""Cron in the product's dialect: 5 fields, or 6 with seconds first, in an IANA time zone."""

from domain.cron.calendars import Calendar, calendars, slot_of
from domain.cron.clock import next_fire, next_fires
from domain.cron.describe import describe
from domain.cron.grammar import CronError, CronExpression, parse
from domain.cron.repeats import slots_at_risk

__all__ = [
    "Calendar",
    "CronError",
    "CronExpression",
    "calendars",
    "describe",
    "next_fire",
    "next_fires",
    "parse",
    "slot_of",
    "slots_at_risk",
]

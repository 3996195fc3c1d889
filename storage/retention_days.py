"""How many days rows are kept, by what they are; 0 is for ever. ``storage.retention`` knows their tables."""

FOR_EVER = 0
DAYS = {
    "second_bars": 60,
    "minute_bars": 730,
    "long_bars": FOR_EVER,
    "gaps": 365,
    "corrections": 365,
    "staged": 7,
    "quotes": 30,
    "options": 30,
    "earnings_dates": 400,
    "news": 90,
    "economic_events": 400,
    "events": 730,
    "deliveries": 365,
    "silences": 30,
    "runs": 90,
    "reports": 90,
    "deleted_alerts": 30,
    "looks": 30,
    "audit": 730,
}

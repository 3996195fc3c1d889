"""What ``exchange_calendars`` does not know, or has wrong: special sessions, other hours, days without one.

Local times. A day's spans replace the library's; none means that nothing trades. Each block says where it is from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time

Hours = tuple[tuple[time, time], ...]
CLOSED: Hours = ()


def _hours(*spans: str) -> Hours:
    return tuple(
        (time.fromisoformat(first), time.fromisoformat(last))
        for first, _, last in (one.partition("-") for one in spans)
    )


def _days(hours: Hours, *days: str) -> dict[date, Hours]:
    return {date.fromisoformat(day): hours for day in days}


@dataclass(frozen=True)
class Correction:
    """``days`` have hours of their own; ``usual`` says a day's hours from the library's, where those are wrong as a rule."""

    days: Mapping[date, Hours]
    usual: Callable[[date, Hours], Hours] = lambda day, hours: hours


# The university entrance exam: an hour later. Library's repository after 4.13 (xkrx_holidays.py) and press of each year.
# Public holidays of 2026 and 2027 that were made after it: the same, and segye.com/view/20260204501613.
KOREA = Correction(
    _days(_hours("10:00-16:30"), "2021-11-18", "2022-11-17", "2023-11-16", "2024-11-14", "2025-11-13", "2026-11-19")
    | _days(CLOSED, "2026-06-03", "2026-07-17", "2027-05-03", "2027-07-19")
)

# Budget days and replaced days (moneycontrol.com, businesstoday.in, ndtvprofit.com), drills of the second data centre (two
# spans; republicworld.com, bigul.co), the outage of 2021 (devdiscourse.com), and the hour of Muhurat trading at Diwali: each
# year's notice as told by ndtv.com, moneycontrol.com, livemint.com, angelone.in. The hours of 2026-11-08 were not announced
# when this was written; those of 2024 stand for them.
INDIA = Correction(
    _days(_hours("09:15-15:30"), "2015-02-28", "2020-02-01", "2024-01-20", "2025-02-01", "2026-02-01")
    | _days(_hours("11:15-12:45"), "2012-04-28", "2014-03-22")
    | _days(_hours("09:15-10:00", "11:30-12:30"), "2024-03-02", "2024-05-18")
    | _days(_hours("09:15-17:00"), "2021-02-24")
    | _days(_hours("18:00-19:00"), "2010-11-05", "2024-11-01", "2026-11-08")
    | _days(_hours("16:45-18:00"), "2011-10-26")
    | _days(_hours("15:45-17:00"), "2012-11-13")
    | _days(_hours("18:30-19:30"), "2014-10-23", "2016-10-30", "2017-10-19")
    | _days(_hours("17:45-18:45"), "2015-11-11")
    | _days(_hours("17:30-18:30"), "2018-11-07")
    | _days(_hours("18:15-19:15"), "2013-11-03", "2019-10-27", "2020-11-14", "2021-11-04", "2022-10-24", "2023-11-12")
    | _days(_hours("13:45-14:45"), "2025-10-21")
)

# Founding Day is one since 2022 only (decypha.com); National Day of 2022 was given on the Thursday (zawya.com).
SAUDI = Correction(_days(_hours("10:00-15:00"), "2021-02-22") | _days(CLOSED, "2022-09-22"))

MONDAY_WEEKS = date(
    2026, 1, 1
)  # Tel Aviv trades from Monday to Friday since; the last Sunday was 2025-12-28 (en.globes.co.il)
EARLIER_SUNDAYS = date(2020, 3, 8)  # closing 35 minutes earlier (focus.world-exchanges.org)
HALF_DAY = time(14, 30)  # the library's half days end before this


def _tel_aviv(day: date, hours: Hours) -> Hours:
    """With the closing auction, which the library leaves out but for Fridays (TASE's schedule)."""
    if not hours:
        return hours
    (opened, closed), weekday = hours[0], day.isoweekday()
    if weekday == 7 and day >= MONDAY_WEEKS:
        return CLOSED
    if weekday == 5:
        return ((opened, time(13, 50)),)
    if closed < HALF_DAY:
        return ((opened, time(14, 25)),)
    if weekday == 7:
        return ((opened, time(15, 50) if day >= EARLIER_SUNDAYS else time(16, 25)),)
    return ((opened, time(17, 25)),)


# Elections and Shushan Purim: info.tase.co.il, and the calendars of pandas_market_calendars and holidays.
TEL_AVIV = Correction(_days(CLOSED, "2015-03-17", "2018-10-30", "2023-03-08", "2023-10-31", "2026-10-27"), _tel_aviv)

# Indonesia's holidays of 2026 (IDX, Peng-00171/BEI.POP/09-2025).
INDONESIA = Correction(
    _days(
        CLOSED, "2026-01-16", "2026-02-16", "2026-03-18", "2026-03-19", "2026-03-20", "2026-03-23", "2026-03-24", "2026-05-15",
        "2026-05-27", "2026-05-28", "2026-06-16", "2026-08-25", "2026-12-24",
    )
)  # fmt: skip

# Typhoon and black rain: trading began after lunch (exchange_calendars, issue 142).
HONG_KONG = Correction(_days(_hours("13:30-16:00"), "2020-08-19", "2021-06-28"))

CORRECTIONS: Mapping[str, Correction] = {
    "XKRX": KOREA, "XBOM": INDIA, "XSAU": SAUDI, "XTAE": TEL_AVIV, "XIDX": INDONESIA, "XHKG": HONG_KONG,
}  # fmt: skip
SUNDAY_FIRST = ("XSAU", "XTAE")  # their weeks begin on Sunday; Tel Aviv has no Sundays any more, which changes nothing

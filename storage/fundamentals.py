"""What a company is worth and earns, as vendors last said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.vendor_data import EarningsDate
from storage.data_tables import CompanyRow, EarningsDateRow, EarningsRow

CHUNK = 500
QUARTERS = 4


@dataclass(frozen=True)
class Fundamentals:
    """``market_cap`` in ``currency``; ``earnings`` a share, the sum of the four newest quarters, None where fewer are known.

    ``as_of`` is when a vendor said the first, ``period`` the end of the newest quarter.
    """

    market_cap: float | None = None
    currency: str = ""
    as_of: datetime | None = None
    earnings: float | None = None
    period: date | None = None

    def pe_ratio(self, close: float | None) -> float | None:
        """Price to trailing earnings: the close over the earnings a share of the last four quarters; None at a loss."""
        if close is None or self.earnings is None or self.earnings <= 0:
            return None
        return close / self.earnings


class CompanyFigures:
    """Repository of fundamentals."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def of(self, symbols: Sequence[str]) -> dict[str, Fundamentals]:
        """What is known of each ticker of which anything is."""
        found: dict[str, Fundamentals] = {}
        for start in range(0, len(symbols), CHUNK):
            some = symbols[start : start + CHUNK]
            earned = await self._earned(some)
            rows = {
                row.symbol: row
                for row in await self.session.scalars(select(CompanyRow).where(CompanyRow.symbol.in_(some)))
            }
            for symbol in some:
                row, (earnings, period) = rows.get(symbol), earned.get(symbol, (None, None))
                if row is not None or period is not None:
                    found[symbol] = Fundamentals(
                        row.market_cap if row else None,
                        row.currency if row else "",
                        row.at if row else None,
                        earnings,
                        period,
                    )
        return found

    async def earnings_dates(self, symbols: Sequence[str], first: date, last: date) -> list[EarningsDate]:
        """The days from ``first`` to ``last`` on which these companies report, in order."""
        found: list[EarningsDateRow] = []
        for start in range(0, len(symbols), CHUNK):
            statement = select(EarningsDateRow).where(
                EarningsDateRow.symbol.in_(symbols[start : start + CHUNK]),
                EarningsDateRow.day >= first,
                EarningsDateRow.day <= last,
            )
            found += await self.session.scalars(statement)
        names = list(EarningsDate.model_fields)
        return sorted(
            (EarningsDate.model_construct(**{name: getattr(row, name) for name in names}) for row in found),
            key=lambda one: (one.day, one.symbol),
        )

    async def _earned(self, symbols: Sequence[str]) -> dict[str, tuple[float | None, date]]:
        statement = (
            select(EarningsRow.symbol, EarningsRow.period, EarningsRow.actual)
            .where(
                EarningsRow.symbol.in_(symbols), EarningsRow.frequency == "quarterly", EarningsRow.actual.is_not(None)
            )
            .order_by(EarningsRow.symbol, EarningsRow.period.desc())
        )
        quarters: dict[str, list[tuple[date, float]]] = {}
        for symbol, period, actual in await self.session.execute(statement):
            quarters.setdefault(symbol, []).append((period, actual or 0.0))
        return {
            symbol: (sum(value for _, value in known[:QUARTERS]) if len(known) >= QUARTERS else None, known[0][0])
            for symbol, known in quarters.items()
        }

"""``/api/data``: what market data is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict

from domain.errors import Fault, InvalidInput
from domain.ticker import ticker
from starter.api.access import context_of, needs
from starter.keys import Scope
from storage.coverage import Coverage

router = APIRouter(tags=["data"])
Symbol = Annotated[str | None, Query(max_length=64, description="Of this ticker alone.")]


class CoverageOut(BaseModel):
    """A table's part: of bars a timeframe and stored series, of other kinds a vendor. ``gaps`` nobody could fill."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "table": "bars",
                    "timeframe": "1d",
                    "source": "yahoo/split",
                    "tickers": 503,
                    "rows": 126253,
                    "oldest": "2025-01-02T14:30:00Z",
                    "newest": "2026-01-05T21:00:00Z",
                    "gaps": 0,
                }
            ]
        }
    )

    table: str
    timeframe: str
    source: str
    tickers: int
    rows: int
    oldest: datetime | None
    newest: datetime | None
    gaps: int | None

    @classmethod
    def of(cls, one: Coverage) -> CoverageOut:
        """From what was counted."""
        return cls(**vars(one))


class CoveragesOut(BaseModel):
    """What there is."""

    items: list[CoverageOut]


@router.get("/data/status", response_model=CoveragesOut, operation_id="getDataStatus", dependencies=[needs(Scope.READ)])
async def status(request: Request, symbol: Symbol = None) -> CoveragesOut:
    """What market data there is: tickers, rows, oldest, newest and holes of each table."""
    try:
        wanted = None if symbol is None else ticker(symbol)
    except ValueError as error:
        raise InvalidInput("the request", [Fault("query.symbol", str(error), symbol)]) from None
    async with context_of(request).database.transaction() as work:
        return CoveragesOut(items=[CoverageOut.of(one) for one in await work.coverage.all(wanted)])

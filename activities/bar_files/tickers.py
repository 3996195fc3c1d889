"""Which of a file's tickers is meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from activities.bar_files.decoding import MOST_SHOWN, refused

MOST_NAMED = 10  # that a fault lists


def one_of(names: Sequence[str], wanted: str | None, where: str) -> str:
    """The ticker that is meant, among those there are."""
    if len(names) == 1:
        if wanted and not _is_same(names[0], wanted):
            raise refused(f"holds {names[0][:MOST_SHOWN]}, not {wanted}")
        return names[0]
    found = [name for name in names if wanted and _bare(name) == _bare(wanted)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(sorted(names)[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
    raise refused(f"holds {len(names)} tickers in its {where}: {listed}; say which, --symbol NAME", wanted)


def _bare(symbol: str) -> str:
    return re.sub(r"[\W_]", "", symbol.upper())


def _is_same(name: str, wanted: str) -> bool:
    """AAPL.US is AAPL, BTC/USDT may be BTC: one begins the other, without marks."""
    one, other = _bare(name.rpartition(":")[2]), _bare(wanted.rpartition(":")[2])
    return one.startswith(other) or other.startswith(one)

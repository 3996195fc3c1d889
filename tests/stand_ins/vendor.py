"""What all stand-ins share: a clock, a market, and the faults that look alike with every vendor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tests.stand_ins.market import Market
from tests.stand_ins.server import Asked, Reply

KEY = "hush-key"
UNKNOWN = "NOSUCH"


class Vendor:
    """Base of all: answers by path, a fault first where one is set. ``fault`` may depend on what was asked."""

    name = ""
    frames = ("1m", "1h", "1d")
    symbol = "AAPL"
    always = False
    clock_hours = True

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.market = Market(self.always, self.clock_hours)
        self.fault: str | Callable[[Asked], str | None] | None = None

    def __call__(self, asked: Asked) -> Reply:
        """The answer to a request."""
        fault = self.fault(asked) if callable(self.fault) else self.fault
        if fault is None:
            return self.well(asked)
        common = COMMON_FAULTS.get(fault)
        return common(self, asked) if common else getattr(self, fault)(asked)

    def well(self, asked: Asked) -> Reply:
        """On a good day."""
        raise NotImplementedError

    def error_200(self, asked: Asked) -> Reply:
        """No, with HTTP 200."""
        raise NotImplementedError

    def empty(self, asked: Asked) -> Reply:
        """A window in which nothing traded."""
        raise NotImplementedError

    def nulls(self, asked: Asked) -> Reply:
        """Rows with holes in them."""
        raise NotImplementedError

    def no_plan(self, asked: Asked) -> Reply:
        """403."""
        return Reply(403, {"error": "You don't have access to this resource."})

    def bad_key(self, asked: Asked) -> Reply:
        """401."""
        return Reply(401, {"error": "Invalid API key."})

    def unknown(self) -> Reply:
        """A ticker it does not have."""
        return Reply(404, {"error": "Symbol not found"})


def _cut(vendor: Vendor, asked: Asked) -> Reply:
    return Reply(body=vendor.well(asked).body, how="cut")


def _half_json(vendor: Vendor, asked: Asked) -> Reply:
    whole = vendor.well(asked).raw().decode()
    return Reply(body=whole[: max(1, len(whole) // 2)])


COMMON_FAULTS: dict[str, Callable[[Vendor, Asked], Reply]] = {
    "wait_429": lambda v, a: Reply(429, {"error": "slow down"}, headers={"Retry-After": "7"}),
    "plain_429": lambda v, a: Reply(429, "Edge: Too Many Requests", "text/plain"),
    "banned_418": lambda v, a: Reply(418, {"code": -1003, "msg": "IP banned"}, headers={"Retry-After": "130"}),
    "error_500": lambda v, a: Reply(500, "oops", "text/plain"),
    "html_200": lambda v, a: Reply(200, "<!doctype html><p>Will be right back", "text/html"),
    "text_200": lambda v, a: Reply(200, "Thank you for your patience", "text/plain"),
    "moved_302": lambda v, a: Reply(302, "", "text/html", {"Location": "https://elsewhere.example/"}),
    "half_json": _half_json,
    "cut_off": _cut,
    "slow_drip": lambda v, a: Reply(body=" " * 4000, how="drip"),
    "reset": lambda v, a: Reply(how="reset"),
}

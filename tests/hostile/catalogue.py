"""What an attacker, or a careless program, puts where something sensible belongs."""

from __future__ import annotations

from typing import Any

MEGABYTE = 1_000_000


def deep(levels: int, word: str = "not") -> Any:
    """So many objects, one in the other."""
    made: Any = 1
    for _ in range(levels):
        made = {word: made}
    return made


STEERING = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt.exe\u2028\r\n"
MARKUP = "[/bold][link=http://evil]x[/link] <script>alert(1)</script> ![x](http://evil/x.png) $\\frac{a}{ {{7*7}} %s {0} `id`"
VALUES: dict[str, Any] = {
    "nothing": None,
    "an empty text": "",
    "an empty list": [],
    "an empty object": {},
    "true": True,
    "a negative number": -1,
    "a fraction": 0.1,
    "a huge number": 1e308,
    "a number beyond 64 bits": 2**70,
    "a number of 5,000 digits": 10**3999,
    "a long text": "x" * MEGABYTE,
    "a text of commas": "," * 200_000,
    "a text of quotes": '"' * 100_000,
    "spaces": " " * 100_000,
    "many items": [""] * 300_000,
    "many numbers": [1] * 300_000,
    "many names": {f"n{number}": 1 for number in range(50_000)},
    "a long name": {"n" * 500_000: 1},
    "deep": deep(900),
    "deep lists": [[[[[[[[[[[[]]]]]]]]]]]] * 1000,
    "control characters": STEERING,
    "markup": MARKUP,
    "a line of SQL": "'; DROP TABLE job_schedules; --",
    "a path": "../../../../etc/passwd",
    "an address": "http://169.254.169.254/latest/meta-data/",
    "a slow pattern": "a" * 30_000 + "!",
    "digits": "9" * 50_000,
    "brackets": "(" * 50_000,
    "operators": "not " * 10_000,
    "an expression": " and ".join(["rsi(14) > 70"] * 3_000),
    "a cron": ",".join(["0-59/1"] * 5_000) + " * * * *",
}
BODIES: dict[str, bytes] = {
    "no body": b"",
    "half": b'{"symbol": "AAPL", "rule": "close',
    "no JSON": b"\x80\x81<html>" * 1000,
    "NUL": b'{"name": "a\\u0000b", "symbol": "A\x00"}',
    "half a surrogate pair": b'{"name": "\\ud800", "rule": "close > 1", "symbol": "A"}',
    "repeated names": b"{" + b",".join(b'"rule": "close > 1"' for _ in range(40_000)) + b"}",
    "brackets": b"[" * 500_000,
    "braces": b'{"a":' * 150_000,
    "a number": b"9" * 900_000,
    "an exponent": b'{"threshold": 1e999999999}',
    "not a number": b'{"threshold": NaN, "symbol": "A", "condition": "price_above"}',
    "too large": b'"' + b"x" * 3_000_000 + b'"',
}

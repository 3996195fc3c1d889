"""The words and signs of a rule's text, and what people write for them: ``is above``, ``=>``, ``&&``, ``crosses over``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from domain.ticker import PLAIN
from domain.timeframe import Timeframe

_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<frame>@\s*\d+[smhdw](?![A-Za-z0-9_]))
    | (?P<span>\d+[smhdw](?![A-Za-z0-9_]))
    | (?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<ticker>{PLAIN}(?![A-Za-z0-9_(]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<op>>=|<=|=>|=<|==|!=|<>|=|>|<|≥|≤|≠)
    | (?P<mark>&&|\|\||[()\[\],.*+\-/%:!×÷−–])
    )""",
    re.VERBOSE,
)
_SIGNS = {
    "=": "==", "<>": "!=", "=>": ">=", "=<": "<=", "≥": ">=", "≤": "<=", "≠": "!=", "×": "*", "÷": "/", "−": "-", "–": "-",
}  # fmt: skip
_LOGIC = {"&&": "and", "||": "or", "!": "not"}
_CROSS = r"(?:cross(?:es|ed|ing)?|break(?:s|ing)?|broke)"
_GOES = r"(?:goes|go|going|moves|gets)"
# how people say it, as words with one blank between, and what it is in the grammar: the longest that fits counts
_PHRASES = [
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (rf"(?:is )?(?:{_CROSS}[_ ]?|(?:rises|climbs|jumps|{_GOES}) )(?:above|over|up)|crossover", "crosses_above"),
        (rf"(?:is )?(?:{_CROSS}[_ ]?|(?:falls|drops|sinks|{_GOES}) )(?:below|under|down)|crossunder", "crosses_below"),
        (r"(?:is )?(?:greater|higher|more|bigger|larger) than or equal to|(?:is )?at least|(?:is )?not below", ">="),
        (r"(?:is )?(?:less|lower|smaller) than or equal to|(?:is )?at most|(?:is )?not above", "<="),
        (r"(?:is )?(?:above|over|(?:greater|higher|more|bigger|larger) than)|exceeds", ">"),
        (r"(?:is )?(?:below|under|beneath|(?:less|lower|smaller) than)", "<"),
        (r"(?:is )?(?:equals|equal to)", "=="),
        (r"is not", "!="),
        (r"is between", "between"),
        (r"is (?:outside|not between)|not between", "outside"),
        (rf"is crossing|{_CROSS}", "crosses"),
        (r"(?:please )?(?:(?:tell|alert|notify|warn|message) me|let me know) (?:when|if|once|as soon as)|when|if|whenever", ""),
        (r"the|its|is", ""),
    )
]  # fmt: skip
_LONGEST = 7  # words
_FRAMES = {
    "minute": "1m", "minutes": "1m", "minutely": "1m", "hour": "1h", "hourly": "1h", "hours": "1h",
    "day": "1d", "daily": "1d", "days": "1d", "week": "1w", "weekly": "1w", "weeks": "1w",
}  # fmt: skip
_CHART = ("chart", "bar", "bars", "candle", "candles", "timeframe")
OPERATORS = (">", ">=", "<", "<=", "==", "!=")
COMPARING = ("between", "outside", "crosses_above", "crosses_below", "crosses")
WORDS = {"and", "or", "not", *COMPARING}


class SyntaxFault(Exception):
    """Where the text stops making sense; nothing after it is read."""


@dataclass(frozen=True)
class Token:
    """``kind`` is number, span (``1h``), quoted, ticker, name, frame (``@1h``), op or mark; ``position`` is its place."""

    kind: str
    text: str
    position: int

    @property
    def word(self) -> str:
        """In small letters where it is a word."""
        return self.text.lower() if self.kind in ("name", "ticker") else self.text


@dataclass(frozen=True)
class Written:
    """The tokens, and the timeframe that the text names (``on the hour``)."""

    tokens: list[Token]
    timeframe: str | None = None


def tokens_of(text: str) -> Written:
    """The tokens in the grammar's own words.

    Raises:
        SyntaxFault: a character that no rule has.
    """
    plain = _signs(_lexed(text))
    said, frame = _without_frame(plain)
    return Written(_worded(said), frame)


def _lexed(text: str) -> list[Token]:
    tokens, position = [], 0
    stripped = text.rstrip().rstrip(".;").rstrip()
    while position < len(stripped):
        found = _TOKEN.match(stripped, position)
        if not found or not found.lastgroup:
            bad = len(stripped) - len(stripped[position:].lstrip())
            raise SyntaxFault(f"cannot read '{stripped[bad]}' at column {bad + 1}")
        tokens.append(Token(found.lastgroup, found.group(found.lastgroup), found.start(found.lastgroup)))
        position = found.end()
    return tokens


def _signs(tokens: list[Token]) -> list[Token]:
    return [
        replace(one, kind="name", text=_LOGIC[one.text]) if one.text in _LOGIC
        else replace(one, text=_SIGNS.get(one.text, one.text)) if one.kind in ("op", "mark") else one
        for one in tokens
    ]  # fmt: skip


def _without_frame(tokens: list[Token]) -> tuple[list[Token], str | None]:
    """Takes out ``on the hour``, ``on 5m``, ``on the daily chart``."""
    for at, one in enumerate(tokens):
        if one.word != "on" or at + 1 >= len(tokens):
            continue
        end = at + 1 + (tokens[at + 1].word in ("the", "a"))
        if end < len(tokens) and tokens[end].word == "every":
            end += 1
        named = tokens[end] if end < len(tokens) else None
        frame = named and (named.text if named.kind == "span" else _FRAMES.get(named.word))
        if frame:
            end += 1
            while end < len(tokens) and tokens[end].word in _CHART:
                end += 1
            rest, other = _without_frame(tokens[end:])
            if other not in (None, frame):
                raise SyntaxFault(
                    f"names two timeframes, {frame} and {other}; write rsi(14)@{other} for one of another"
                )
            return tokens[:at] + rest, str(Timeframe(frame))
    return tokens, None


def _worded(tokens: list[Token]) -> list[Token]:
    """Phrases as the grammar's words; what only fills a sentence is left out."""
    found, at = [], 0
    while at < len(tokens):
        count, meaning = _phrase(tokens, at)
        if not count:
            found.append(tokens[at])
        elif meaning:
            kind = "op" if meaning in OPERATORS else "name"
            found.append(Token(kind, meaning, tokens[at].position))
        at += max(count, 1)
    return found


def _phrase(tokens: list[Token], at: int) -> tuple[int, str]:
    """How many tokens the longest phrase has that begins here, and what it means."""
    words: list[str] = []
    best = 0, ""
    for one in tokens[at : at + _LONGEST]:
        if one.kind not in ("name", "ticker"):
            break
        words.append(one.word)
        said = " ".join(words)
        meaning = next((meaning for pattern, meaning in _PHRASES if pattern.fullmatch(said)), None)
        if meaning is not None:
            best = len(words), meaning
    return best

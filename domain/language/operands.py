"""Operands of a rule's text: numbers, prices, indicators and tickers, and what is calculated from them."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from math import isfinite
from typing import Any

from pydantic import ValidationError

from domain import indicators
from domain.bar import FIELDS
from domain.language.arithmetic import Percent, absolute, change, combined, extreme, negative
from domain.language.stream import TokenStream
from domain.language.tokens import WORDS, SyntaxFault, Token
from domain.operand import FieldOperand, IndicatorOperand, Operand
from domain.rule import MAX_DEPTH

_FIELDS = (*FIELDS, "price")
_VALUE = "a number, a price, an indicator or a ticker"


class OperandParser(TokenStream):
    """Reads operands; ``symbols`` are the tickers that stand alone, by name, ``used`` the indicators so far."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.symbols: dict[str, Token] = {}
        self.used: list[IndicatorOperand] = []
        self.named: list[tuple[str | None, bool]] = []  # of each series, whose it is, and whether 'of' says so

    def _change(self) -> tuple[Operand | None, int]:
        self.at += 1
        self._require("(")
        left = self._plain(self._sum())
        self._require(",")
        bars = self._whole_number("the number of bars")
        self._require(")")
        return left, bars

    def _plain(self, operand: Operand | Percent | None) -> Operand | None:
        return operand.value / 100 if isinstance(operand, Percent) else operand

    def _sum(self) -> Operand | None:
        self.level += 1
        if self.level > MAX_DEPTH:
            raise SyntaxFault(f"the rule is nested deeper than {MAX_DEPTH} levels")
        try:
            return self._chain("+-", lambda: self._chain("*/", self._signed))
        finally:
            self.level -= 1

    def _chain(self, signs: str, part: Callable[[], Operand | None]) -> Operand | None:
        left = part()

        def with_next(token: Token, left: Operand, right: Operand) -> Operand | None:
            return self._calculated(token, lambda: combined(token.text, left, right))

        while (token := self._peek()) and token.kind == "mark" and token.text in signs:
            self.at += 1
            right = part()
            left = None if left is None or right is None else with_next(token, left, right)
        return left

    def _calculated(self, token: Token, calculate: Callable[[], Operand]) -> Operand | None:
        try:
            return calculate()
        except ValidationError as error:
            for found in error.errors():
                self._fault(token, found["msg"].removeprefix("Value error, "))
        except ValueError as error:
            self._fault(token, str(error))
        return None

    def _signed(self) -> Operand | None:
        token = self._peek()
        if token is None:
            raise self._expected(_VALUE)
        if token.kind == "mark" and token.text in "+-":
            self.at += 1
            following = self._peek()
            if following is not None and following.kind == "mark" and following.text in "+-":
                raise self._expected("a number or a name after the sign")
            part = self._signed()
            return part if token.text == "+" or part is None else self._calculated(token, lambda: negative(part))
        return self._term(token)

    def _term(self, token: Token) -> Operand | None:
        if token.kind == "number":
            self.at += 1
            value = float(token.text.replace("_", ""))
            if not isfinite(value):
                raise SyntaxFault(f"the number at column {token.position + 1} is too large")
            return Percent(value) if self._take_mark("%") else value
        if self._take_mark("("):
            inner = self._sum()
            self._require(")")
            return inner
        if token.word in ("abs", "min", "max") and self._follows("(") and (token.word == "abs" or self._calculates()):
            return self._function(token)
        if token.word == "change_pct" and self._follows("("):
            left, bars = self._change()
            return None if left is None else self._calculated(token, lambda: change(left, bars))
        return self._series()

    def _calculates(self) -> bool:
        """Whether ``min(…)`` here is the smaller of values; ``min(close, 30)`` is TA-Lib's, of the last 30 bars."""
        inside, depth, at = [], 0, self.at + 1
        while at < len(self.tokens):
            text = self.tokens[at].text
            depth += (text == "(") - (text == ")")
            if depth == 0:
                break
            inside.append(self.tokens[at])
            at += 1
        fields = [one for one in inside[1:] if one.word in _FIELDS]
        words = [one for one in inside[1:] if one.kind not in ("number", "mark", "op")]
        first = next((one.kind for one in inside[1:] if one.text != "-"), "")
        starts_with_number = first == "number" and bool(words)
        named = any(one.text == "==" for one in inside)
        return not named and (len(fields) > 1 or len(words) > len(fields) or starts_with_number)

    def _function(self, token: Token) -> Operand | None:
        self.at += 1
        self._require("(")
        parts = [self._plain(self._sum())]
        while self._take_mark(","):
            parts.append(self._plain(self._sum()))
        self._require(")")
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        if token.word == "abs" and len(known) == 1:
            return self._calculated(token, lambda: absolute(known[0]))
        return self._calculated(token, lambda: extreme(token.word, known))

    def _series(self) -> Operand | None:
        token = self._peek()
        if token is None or token.kind not in ("name", "ticker", "quoted") or token.word in WORDS:
            raise self._expected(_VALUE)
        self.at += 1
        other: str | None = None
        if self._take_mark(":"):
            other = token.text.strip("\"'").upper()
            token = self._peek()
            if token is None or token.kind not in ("name", "ticker") or token.word in WORDS:
                raise self._expected(f"a price or an indicator of {other}")
            self.at += 1
        elif token.kind == "ticker" and ":" in token.text and token.text.rpartition(":")[2].lower() in _FIELDS:
            other, _, field = token.text.rpartition(":")
            token = Token("name", field, token.position)
        model, fields = self._looked_up(token, of_another=other is not None)
        if fields is None:
            return None
        by_of = self._take_word("of")
        if by_of:
            named = self._peek()
            if named is None or named.kind not in ("name", "ticker", "quoted"):
                raise self._expected("a ticker after 'of'")
            self.at += 1
            if named.word in _FIELDS:
                self._fault(
                    named, f"'of {named.text}' is no ticker; write {fields.get('indicator', 'sma')}({named.text}, …)"
                )
                return None
            if other is not None:
                self._fault(named, f"names two tickers, {other} and {named.text}; write one of them")
                return None
            other = named.text.strip("\"'").upper()
        if other is not None:
            fields["symbol"] = other
        self.named.append((fields.get("symbol"), by_of))
        found: Operand | None = self._built(model, fields, token)
        if isinstance(found, IndicatorOperand):
            self.used.append(found)
        return found

    def _looked_up(self, token: Token, *, of_another: bool) -> tuple[Any, dict[str, Any] | None]:
        """Of a name: what it is, with its arguments, output, timeframe and offset; no fields where it is nothing."""
        fields: dict[str, Any] = {}
        model: type[FieldOperand] | type[IndicatorOperand] = FieldOperand
        if token.word in _FIELDS:
            fields["field"] = token.word
        elif self._follows("(", 0) or of_another or (token.kind == "name" and not token.text.isupper()):
            model = IndicatorOperand
            if not self._follows("(", 0) and (named := self._output_named(token.word)):
                fields = named
            elif not self._follows("(", 0) and not indicators.is_known(token.word):
                self._fault(token, self._unknown(token))
                return model, None
            else:
                fields["indicator"] = token.word
                fields.update(self._arguments(token) if self._take_mark("(") else {})
            if self._take_mark("."):
                fields["output"] = self._name("an output of the indicator")
        else:
            self.symbols.setdefault(token.text.strip("\"'").upper(), token)
            fields["field"] = "close"
        frame = self._peek()
        if frame and frame.kind == "frame":
            self.at += 1
            fields["timeframe"] = frame.text[1:].strip()
        if self._take_mark("["):
            fields["offset"] = self._whole_number("the number of bars back")
            self._require("]")
        return model, fields

    def _output_named(self, word: str) -> dict[str, Any] | None:
        """``macdsignal`` by itself: that output of the indicator that stands before it, else of the one that has it."""
        if indicators.is_known(word):
            return None
        for used in reversed(self.used):
            if word in used.definition.outputs:
                own = ("indicator", "params", "source", "timeframe", "symbol")
                return {name: getattr(used, name) for name in own} | {"output": word}
        owners = indicators.with_output(word)
        return {"indicator": owners[0], "output": word} if len(owners) == 1 else None

    def _unknown(self, token: Token) -> str:
        if owners := indicators.with_output(token.word):
            written = " or ".join(f"{owner}(…).{token.word}" for owner in owners[:3])
            return f"'{token.text}' is an output of {len(owners)} indicators; write {written}"
        near = get_close_matches(token.word, [*indicators.names(), *_FIELDS], n=3)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        capitals = self._rewritten({token: token.text.upper()})
        return f"'{token.text}' is no price or indicator; {meant}a ticker is written in capitals: {capitals}"

    def _arguments(self, name: Token) -> dict[str, Any]:
        """Positional numbers in the function's order, ``name=number``, and a bar field as the source."""
        positional: list[float] = []
        params: dict[str, float] = {}
        source = None
        while not self._take_mark(")"):
            token = self._peek()
            if token and token.kind in ("name", "ticker") and token.word in _FIELDS:
                self.at += 1
                source = "close" if token.word == "price" else token.word
            elif token and token.kind == "name" and self._follows("=="):
                self.at += 2
                params[token.word] = self._number("the parameter's value")
            elif token and token.kind in ("name", "ticker"):
                raise self._expected("a number, name=number, or one of open, high, low, close, volume")
            else:
                positional.append(self._number("a parameter"))
            following = self._peek()
            if not (following and following.text == ")"):
                self._require(",")
        try:
            known = indicators.find(name.word).parameters
        except ValueError:
            return {"params": params, "source": source}
        if len(positional) > len(known):
            self._fault(name, f"{name.word} takes {len(known)} parameters, got {len(positional)}")
        positions = {parameter.name: value for parameter, value in zip(known, positional, strict=False)}
        return {"params": {**positions, **params}, "source": source}

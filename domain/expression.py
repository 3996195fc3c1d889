"""The text form of a rule: ``AAPL > 150``, ``rsi(14) > 70 and close > sma(50)``.

Grammar, loosest first: ``or``, ``and``, ``not``, comparison. An operand is a number, a bar field, an indicator with
its arguments, or a ticker (its close); ``.output``, ``@timeframe``, ``[bars back]`` and ``number *`` may be added.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import Any

from pydantic import ValidationError

from domain import indicators
from domain.bar import FIELDS
from domain.errors import Fault, InvalidInput
from domain.operand import FieldOperand, IndicatorOperand, SeriesOperand
from domain.rule import MAX_DEPTH, And, Comparison, Node, Not, Or

MAX_LENGTH = 2000
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![A-Za-z_]))
    | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<ticker>\^?[A-Z][A-Z0-9]*(?:[.\-/:][A-Z0-9]+|=[A-Z])*(?![A-Za-z0-9_(]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<frame>@\s*\d+[smhdw])
    | (?P<op>>=|<=|==|!=|<>|=|>|<)
    | (?P<mark>[()\[\],.*+\-])
    )""",
    re.VERBOSE,
)
_WORDS = {
    "and",
    "or",
    "not",
    "between",
    "outside",
    "crosses",
    "crosses_above",
    "crosses_below",
    "above",
    "below",
}
_OPERATORS = {"=": "==", "<>": "!="}


@dataclass(frozen=True)
class ParsedExpression:
    """The rule, and the ticker the text names (None when it names none)."""

    rule: Node
    symbol: str | None


def parse(text: str) -> ParsedExpression:
    """Reads an expression.

    Raises:
        InvalidInput: the faults' paths are ``$``; each message says where in the text it is.
    """
    parser = _Parser(text)
    try:
        rule = parser.whole()
    except _SyntaxFault as fault:
        raise InvalidInput("expression", [*parser.faults, Fault("$", str(fault), text[:200])]) from None
    if parser.faults:
        raise InvalidInput("expression", parser.faults)
    assert rule is not None
    return ParsedExpression(rule, next(iter(parser.symbols), None))


class _SyntaxFault(Exception):
    """Where the text stops making sense; nothing after it is read."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    position: int

    @property
    def word(self) -> str:
        return self.text.lower() if self.kind in ("name", "ticker") else self.text


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []
        self.symbols: dict[str, None] = {}
        self.tokens: list[_Token] = []
        self.at = 0
        self.level = 0

    def _tokenize(self) -> list[_Token]:
        if len(self.text) > MAX_LENGTH:
            raise _SyntaxFault(f"the expression is longer than {MAX_LENGTH} characters")
        tokens, position = [], 0
        stripped = self.text.rstrip()
        while position < len(stripped):
            found = _TOKEN.match(stripped, position)
            if not found or not found.lastgroup:
                bad = len(stripped) - len(stripped[position:].lstrip())
                raise _SyntaxFault(f"cannot read '{stripped[bad]}' at column {bad + 1}")
            tokens.append(_Token(found.lastgroup, found.group(found.lastgroup), found.start(found.lastgroup)))
            position = found.end()
        return tokens

    def whole(self) -> Node | None:
        self.tokens = self._tokenize()
        if not self.tokens:
            raise _SyntaxFault("the expression is empty; expected e.g. 'AAPL > 150'")
        node = self._either()
        if self._peek():
            raise self._expected("'and', 'or' or the end")
        if len(self.symbols) > 1:
            named = ", ".join(self.symbols)
            self.faults.append(Fault("$", f"an alert watches one ticker, but the expression names {named}", self.text))
        return node

    def _either(self) -> Node | None:
        return self._joined("or", self._both, lambda nodes: Or.model_validate({"or": nodes}))

    def _both(self) -> Node | None:
        return self._joined("and", self._negation, lambda nodes: And.model_validate({"and": nodes}))

    def _joined(self, word: str, part: Any, build: Any) -> Node | None:
        nodes: list[Node | None] = [part()]
        while self._take_word(word):
            nodes.append(part())
        kept = [node for node in nodes if node is not None]
        if len(kept) < 2:
            return kept[0] if kept else None
        joined: Node = build(tuple(kept))
        return joined

    def _negation(self) -> Node | None:
        self.level += 1
        if self.level > MAX_DEPTH:
            raise _SyntaxFault(f"the rule is nested deeper than {MAX_DEPTH} levels")
        try:
            if self._take_word("not"):
                inner = self._negation()
                return None if inner is None else Not.model_validate({"not": inner})
            if self._take_mark("("):
                node = self._either()
                if not self._take_mark(")"):
                    raise self._expected("')'")
                return node
            return self._comparison()
        finally:
            self.level -= 1

    def _comparison(self) -> Node | None:
        start = self.at
        token = self._peek()
        if token and token.word == "change_pct" and self._follows("("):
            left, bars = self._change()
            operator = self._operator(("ordering",))
            fields = {"op": "change_pct", "bars": bars, "compare": operator, "right": self._operand()}
        else:
            left = self._operand()
            operator = self._operator(("ordering", "word"))
            if operator in ("between", "outside"):
                low = self._operand()
                if not self._take_word("and"):
                    raise self._expected("'and' between the two bounds")
                fields = {"op": operator, "right": (low, self._operand())}
            else:
                fields = {"op": operator, "right": self._operand()}
        if left is None or fields["right"] is None or (isinstance(fields["right"], tuple) and None in fields["right"]):
            return None
        made: Node | None = self._built(Comparison, {"left": left, **fields}, self.tokens[start])
        return made

    def _change(self) -> tuple[float | SeriesOperand | None, int]:
        self.at += 1
        self._require("(")
        left = self._operand()
        self._require(",")
        bars = self._whole_number("the number of bars")
        self._require(")")
        return left, bars

    def _operator(self, kinds: tuple[str, ...]) -> str:
        token = self._peek()
        if token and token.kind == "op":
            self.at += 1
            return _OPERATORS.get(token.text, token.text)
        if token and "word" in kinds and token.word in ("between", "outside", "crosses_above", "crosses_below"):
            self.at += 1
            return token.word
        if token and "word" in kinds and token.word == "crosses":
            self.at += 1
            for side in ("above", "below"):
                if self._take_word(side):
                    return f"crosses_{side}"
            return "crosses"
        raise self._expected("an operator such as >, <=, between or crosses_above")

    def _operand(self) -> float | SeriesOperand | None:
        token = self._peek()
        if token is None:
            raise self._expected("a number, a price, an indicator or a ticker")
        sign = 1.0
        if token.kind == "mark" and token.text in "+-":
            self.at += 1
            sign = -1.0 if token.text == "-" else 1.0
            token = self._peek()
            if token is None or token.kind != "number":
                raise self._expected("a number after the sign")
        if token.kind == "number":
            self.at += 1
            value = sign * float(token.text.replace("_", ""))
            return self._series(multiplier=value) if self._take_mark("*") else value
        return self._series(multiplier=1.0)

    def _series(self, multiplier: float) -> SeriesOperand | None:
        token = self._peek()
        if token is None or token.kind not in ("name", "ticker", "quoted") or token.word in _WORDS:
            raise self._expected("a number, a price, an indicator or a ticker")
        self.at += 1
        fields: dict[str, Any] = {"multiplier": multiplier}
        model: type[FieldOperand] | type[IndicatorOperand] = FieldOperand
        if token.word in (*FIELDS, "price"):
            fields["field"] = token.word
        elif token.kind == "name" and (self._follows("(", 0) or token.text.islower() or not token.text.isupper()):
            model = IndicatorOperand
            fields["indicator"] = token.word
            fields.update(self._arguments(token) if self._take_mark("(") else {})
            if self._take_mark("."):
                fields["output"] = self._name("an output of the indicator")
        else:
            self.symbols[token.text.strip("\"'")] = None
            fields["field"] = "close"
        frame = self._peek()
        if frame and frame.kind == "frame":
            self.at += 1
            fields["timeframe"] = frame.text[1:].strip()
        if self._take_mark("["):
            fields["offset"] = self._whole_number("the number of bars back")
            self._require("]")
        series: SeriesOperand | None = self._built(model, fields, token)
        return series

    def _arguments(self, name: _Token) -> dict[str, Any]:
        """Positional numbers in the function's order, ``name=number``, and a bar field as the source."""
        positional: list[float] = []
        params: dict[str, float] = {}
        source = None
        while not self._take_mark(")"):
            token = self._peek()
            if token and token.kind in ("name", "ticker") and token.word in (*FIELDS, "price"):
                self.at += 1
                source = "close" if token.word == "price" else token.word
            elif token and token.kind == "name":
                self.at += 1
                if self._operator(("ordering",)) != "==":
                    raise self._expected("'=' and a number")
                params[token.word] = self._number("the parameter's value")
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

    def _built(self, model: Any, fields: dict[str, Any], token: _Token) -> Any:
        try:
            return model.model_validate({key: value for key, value in fields.items() if value is not None})
        except ValidationError as error:
            for found in error.errors():
                self._fault(token, found["msg"].removeprefix("Value error, "))
            return None

    def _number(self, what: str) -> float:
        sign = -1.0 if self._take_mark("-") else 1.0
        token = self._peek()
        if token is None or token.kind != "number":
            raise self._expected(what)
        self.at += 1
        value = float(token.text.replace("_", "")) * sign
        if not isfinite(value):
            raise _SyntaxFault(f"the number at column {token.position + 1} is too large")
        return int(value) if value == int(value) else value

    def _whole_number(self, what: str) -> int:
        value = self._number(what)
        if value != int(value):
            raise self._expected(f"{what}, a whole number,")
        return int(value)

    def _name(self, what: str) -> str:
        token = self._peek()
        if token is None or token.kind not in ("name", "ticker"):
            raise self._expected(what)
        self.at += 1
        return token.word

    def _peek(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def _follows(self, text: str, ahead: int = 1) -> bool:
        index = self.at + ahead
        return index < len(self.tokens) and self.tokens[index].text == text

    def _take_mark(self, mark: str) -> bool:
        token = self._peek()
        if token and token.kind == "mark" and token.text == mark:
            self.at += 1
            return True
        return False

    def _take_word(self, word: str) -> bool:
        token = self._peek()
        if token and token.word == word and token.kind != "quoted":
            self.at += 1
            return True
        return False

    def _require(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._expected(f"'{mark}'")

    def _fault(self, token: _Token, message: str) -> None:
        self.faults.append(Fault("$", f"{message} (column {token.position + 1})", self.text))

    def _expected(self, what: str) -> _SyntaxFault:
        token = self._peek()
        if token is None:
            return _SyntaxFault(f"expected {what}, but the text ends")
        return _SyntaxFault(f"expected {what} at column {token.position + 1}, found '{token.text}'")

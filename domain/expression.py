"""The text form of a rule: ``AAPL > 150``, ``rsi(14) > 70 and close > sma(50)``, ``close / QQQ:close > 1.2``.

Grammar, loosest first: ``or``, ``and``, ``not``, comparison, ``+ -``, ``* /``. A term is a number (``3%`` too), a bar field, an
indicator with its arguments, ``abs(…)``, ``min(…)``, ``max(…)``, ``change_pct(…)`` or a ticker (its close); ``.output``,
``@timeframe`` and ``[bars back]`` may be added, and ``QQQ:`` before it or ``of QQQ`` behind it name another ticker.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain import indicators
from domain.bar import FIELDS
from domain.errors import Fault, InvalidInput
from domain.language.arithmetic import Percent, is_change
from domain.language.operands import OperandParser
from domain.language.stream import MAX_LENGTH
from domain.language.tokens import COMPARING, WORDS, SyntaxFault, tokens_of
from domain.operand import CalculatedOperand, Operand
from domain.rule import MAX_DEPTH, And, Comparison, Node, Not, Or, unqualified

_FIELDS = (*FIELDS, "price")


@dataclass(frozen=True)
class ParsedExpression:
    """The rule, and the ticker the text names as the alert's own (None when it names none).

    ``mentioned`` is the first ticker that stands before a colon or behind ``of``: the alert's own where nobody names another.
    ``timeframe`` is what the text says of it (``on the hour``).
    """

    rule: Node
    symbol: str | None
    mentioned: str | None = None
    timeframe: str | None = None


def parse(text: str) -> ParsedExpression:
    """Reads an expression.

    Raises:
        InvalidInput: the faults' paths are ``$``; each message says where in the text it is.
    """
    parser = _Parser(text)
    try:
        rule = parser.whole()
    except SyntaxFault as fault:
        raise InvalidInput("expression", [*parser.faults, Fault("$", str(fault), text[:200])]) from None
    if parser.faults:
        raise InvalidInput("expression", parser.faults)
    assert rule is not None
    symbol = next(iter(parser.symbols), None)
    mentioned = _mentioned(parser.named)
    return ParsedExpression(unqualified(rule, symbol) if symbol else rule, symbol, mentioned, parser.timeframe)


def _mentioned(named: list[tuple[str | None, bool]]) -> str | None:
    """Whose a rule is that names one ticker only: all it reads is of that one, or it begins with 'rsi(14) of AAPL'."""
    tickers = {symbol for symbol, _ in named if symbol}
    if len(tickers) != 1 or not named:
        return None
    whole = all(symbol for symbol, _ in named)
    return tickers.pop() if whole or (named[0][0] and named[0][1]) else None


def operand_in(text: str, own: str | None = None) -> Operand:
    """The one operand that a text is, such as ``sma(50)`` or ``(high + low) / 2``; a ticker by itself must be ``own``.

    Raises:
        InvalidInput: as ``parse``.
    """
    parser = _Parser(text)
    try:
        operand = parser.only_operand()
    except SyntaxFault as fault:
        raise InvalidInput("expression", [*parser.faults, Fault("$", str(fault), text[:200])]) from None
    faults = list(parser.faults)
    faults += [
        Fault("$", f"names {name}; for another ticker's price write {name}:close", text)
        for name in parser.symbols
        if name != own
    ]
    if parser.timeframe is not None:
        faults.append(Fault("$", f"names the timeframe {parser.timeframe}; write rsi(14)@{parser.timeframe}", text))
    if faults or operand is None:
        raise InvalidInput("expression", faults)
    return operand


def ticker_in(text: str) -> str | None:
    """The first ticker of a text that may be no rule."""
    try:
        tokens = tokens_of(text[:MAX_LENGTH]).tokens
    except (SyntaxFault, ValueError):
        return None
    plain = next((one.text for one in tokens if one.kind == "ticker" and one.word not in WORDS), None)
    called = {at for at, one in enumerate(tokens[1:]) if one.text == "("}  # a function's name is no ticker
    small = (
        one.text
        for at, one in enumerate(tokens)
        if one.kind == "name" and one.word not in (*WORDS, *_FIELDS) and at not in called
    )
    return plain or next((word.upper() for word in small if not indicators.is_known(word)), None)


class _Parser(OperandParser):
    def whole(self) -> Node | None:
        self._begin()
        node = self._either()
        if self._peek():
            raise self._expected("'and', 'or' or the end")
        if len(self.symbols) > 1:
            named = ", ".join(self.symbols)
            others = list(self.symbols.items())[1:]
            rewrite = self._rewritten({token: f"{token.text}:close" for _, token in others})
            message = f"an alert watches one ticker, but the expression names {named}; write {rewrite}"
            self.faults.append(Fault("$", message, self.text))
        return node

    def only_operand(self) -> Operand | None:
        self._begin()
        operand = self._sum()
        if self._peek():
            raise self._expected("the end")
        if isinstance(operand, Percent):
            raise SyntaxFault(f"'{operand.value:g}%' by itself could mean two things; write the number")
        return operand

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
            raise SyntaxFault(f"the rule is nested deeper than {MAX_DEPTH} levels")
        try:
            if self._take_word("not"):
                inner = self._negation()
                return None if inner is None else Not.model_validate({"not": inner})
            if self._begins_group():
                self.at += 1
                node = self._either()
                if not self._take_mark(")"):
                    raise self._expected("')'")
                return node
            return self._comparison()
        finally:
            self.level -= 1

    def _begins_group(self) -> bool:
        """Whether a bracket opens here that holds comparisons, rather than a calculation."""
        if not self._follows("(", 0):
            return False
        depth = 0
        for at in range(self.at, len(self.tokens)):
            token, before = self.tokens[at], self.tokens[at - 1] if at else None
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return False
            named = token.text == "==" and before is not None and before.kind == "name" and self._in_call(at)
            if (token.kind == "op" and not named) or token.word in WORDS:
                return True
        return True

    def _in_call(self, at: int) -> bool:
        """Whether a token stands right inside the brackets of a function."""
        depth = 0
        for index in range(at - 1, 0, -1):
            text = self.tokens[index].text
            depth += (text == ")") - (text == "(")
            if depth < 0:
                return self.tokens[index - 1].kind == "name" and self.tokens[index - 1].word not in WORDS
        return False

    def _comparison(self) -> Node | None:
        start = self.at
        own_form = self._whole_change()
        if own_form is not None:
            return own_form
        left = self._sum()
        operator = self._operator()
        if isinstance(left, Percent) and operator not in ("between", "outside"):
            return self._percent_first(left, operator, start)
        left = self._plain(left)
        if operator in ("between", "outside"):
            low = self._bound(left)
            if not self._take_word("and"):
                raise self._expected("'and' between the two bounds")
            right: Any = (low, self._bound(left))
        else:
            right = self._bound(left)
        if left is None or right is None or (isinstance(right, tuple) and None in right):
            return None
        made: Node | None = self._built(Comparison, {"left": left, "op": operator, "right": right}, self.tokens[start])
        return made

    def _percent_first(self, left: Percent, operator: str, start: int) -> Node | None:
        """``3% < change_pct(close, 5)``: the percent means what it would on the other side."""
        right = self._plain(self._sum())
        if right is None:
            return None
        number = left.value if is_change(right) else left.value / 100
        if not is_change(right) and not isinstance(right, CalculatedOperand):
            token = self.tokens[start]
            self._fault(token, f"'{left.value:g}%' beside {right} means {number:g}; write the number itself")
        made: Node | None = self._built(
            Comparison, {"left": number, "op": operator, "right": right}, self.tokens[start]
        )
        return made

    def _whole_change(self) -> Node | None:
        """``change_pct(close, 12) <= -3``, which has a form of its own; None, and nothing read, where it is anything else."""
        start, token = self.at, self._peek()
        if token is None or token.word != "change_pct" or not self._follows("("):
            return None
        faults = len(self.faults)
        left, bars = self._change()
        following = self._peek()
        if left is not None and not isinstance(left, int | float) and following and following.kind == "op":
            operator = self._operator()
            right = self._sum()
            if isinstance(right, int | float) and operator not in ("==", "!="):
                number = right.value if isinstance(right, Percent) else float(right)
                fields = {"left": left, "op": "change_pct", "bars": bars, "compare": operator, "right": number}
                made: Node | None = self._built(Comparison, fields, token)
                return made
        self.at = start
        del self.faults[faults:]
        return None

    def _operator(self) -> str:
        token = self._peek()
        if token and (token.kind == "op" or token.word in COMPARING):
            self.at += 1
            return token.word
        raise self._expected("an operator such as >, <=, between or crosses_above")

    def _bound(self, left: Operand | None) -> Operand | None:
        """What a value is compared with: ``3%`` is 3 beside changes in percent and 0.03 beside a ratio."""
        token, found = self._peek(), self._sum()
        if not isinstance(found, Percent):
            return found
        if isinstance(left, CalculatedOperand):
            return found.value if is_change(left) else found.value / 100
        if token is not None and left is not None:
            self._fault(token, f"'{found.value:g}%' beside {left} means {found.value / 100:g}; write the number itself")
        return found.value / 100

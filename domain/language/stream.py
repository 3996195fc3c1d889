"""A rule's tokens one after the other, and the faults that are found in them."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pydantic import ValidationError

from domain.errors import Fault
from domain.language.tokens import SyntaxFault, Token, tokens_of

MAX_LENGTH = 2000


class TokenStream:
    """What is read next, and what is taken only when it is there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[Fault] = []
        self.tokens: list[Token] = []
        self.timeframe: str | None = None
        self.at = 0
        self.level = 0

    def _begin(self) -> None:
        if len(self.text) > MAX_LENGTH:
            raise SyntaxFault(f"the expression is longer than {MAX_LENGTH} characters")
        try:
            written = tokens_of(self.text)
        except ValueError as error:
            raise SyntaxFault(str(error)) from None
        self.tokens, self.timeframe = written.tokens, written.timeframe
        if not self.tokens:
            raise SyntaxFault("the expression is empty; expected e.g. 'AAPL > 150'")

    def _rewritten(self, changes: dict[Token, str]) -> str:
        """The text with some of its tokens replaced."""
        text = self.text
        for token, by in sorted(changes.items(), key=lambda one: -one[0].position):
            text = text[: token.position] + by + text[token.position + len(token.text) :]
        return text.strip()

    def _built(self, model: Any, fields: dict[str, Any], token: Token) -> Any:
        try:
            return model.model_validate({key: value for key, value in fields.items() if value is not None})
        except ValidationError as error:
            for found in error.errors():
                message = found["msg"].removeprefix("Value error, ")
                if found["loc"] == ("offset",):
                    message = f"the number of bars back must be from 0 to 500, got {found['input']}"
                self._fault(token, message)
            return None

    def _number(self, what: str) -> float:
        sign = -1.0 if self._take_mark("-") else 1.0
        token = self._peek()
        if token is None or token.kind != "number":
            raise self._expected(what)
        self.at += 1
        value = float(token.text.replace("_", "")) * sign
        if not isfinite(value):
            raise SyntaxFault(f"the number at column {token.position + 1} is too large")
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

    def _peek(self) -> Token | None:
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

    def _fault(self, token: Token, message: str) -> None:
        self.faults.append(Fault("$", f"{message} (column {token.position + 1})", self.text))

    def _expected(self, what: str) -> SyntaxFault:
        token = self._peek()
        if token is None:
            return SyntaxFault(f"expected {what}, but the text ends")
        return SyntaxFault(f"expected {what} at column {token.position + 1}, found '{token.text}'")

"""Email over SMTP, encrypted with STARTTLS or from the start."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any

import aiosmtplib
from pydantic import Field, SecretStr

from activities.notifications.channel import Channel, ChannelRefused, ChannelUnavailable, Declaration, Letter, Pace
from activities.outgoing import tls
from domain.errors import Fault, InvalidInput

_ADDRESS = re.compile(r"[^@\s<>,;\"]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
SUBMISSION, IMPLICIT_TLS = 587, 465
CHART = "chart@market-alerts"
LONGEST = 30.0  # seconds


class Email:
    """One mailbox. The Message-ID is the same over all attempts, so that a mailbox can tell a repeat."""

    pace = Pace(timedelta(seconds=10), most=50_000)
    takes_pictures = True

    def __init__(self, settings: Any, to: str) -> None:
        self.settings, self.to = settings, to

    async def send(self, letter: Letter) -> None:
        """One message: plain text, and the same with its picture where there is one."""
        try:
            async with asyncio.timeout(min(3 * self.settings.send_timeout, LONGEST)):  # of all of its steps
                await self._send(self.message(letter))
        except TimeoutError:
            raise ChannelUnavailable("the mail server took too long") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            refusal = error.recipients[0]
            raise self._sorted(refusal.code, refusal.message) from None
        except aiosmtplib.SMTPResponseException as error:
            raise self._sorted(error.code, error.message) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            if "AUTH" in str(error) or isinstance(error, aiosmtplib.SMTPNotSupported):
                hint = "the mail server offers no login, or no encryption, on this connection; see SMTP_STARTTLS and SMTP_PORT"
                raise ChannelRefused(hint) from None
            raise ChannelUnavailable(f"the mail server could not be reached ({type(error).__name__})") from None

    async def _send(self, message: EmailMessage) -> None:
        settings = self.settings
        implicit = settings.smtp_port == IMPLICIT_TLS
        await aiosmtplib.send(
            message,
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            username=settings.smtp_user or None,
            password=settings.smtp_password.get_secret_value() or None,
            use_tls=implicit,
            start_tls=settings.smtp_starttls and not implicit,
            tls_context=tls(),
            timeout=settings.send_timeout,
        )

    def _sorted(self, code: int, message: str) -> Exception:
        """The server's words without the names that it repeats."""
        said = " ".join(message.split())
        for secret in (self.to, self.to.partition("@")[0], self.settings.smtp_user):
            said = re.sub(re.escape(secret), "…", said, flags=re.I) if len(secret) > 2 else said
        text = f"SMTP {code} {said}"[:300]
        return ChannelUnavailable(text) if 400 <= code < 500 else ChannelRefused(text)

    def message(self, letter: Letter) -> EmailMessage:
        """As it is sent."""
        delivery, found = letter.delivery, EmailMessage()
        domain = self.settings.smtp_from.rpartition("@")[2] or "localhost"
        found["Subject"] = " ".join(delivery.subject.split())
        found["From"], found["To"] = self.settings.smtp_from, self.to
        found["Date"] = format_datetime(delivery.created_at)
        found["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9.-]', '-', letter.key)}@{domain}>"
        found["Auto-Submitted"] = "auto-generated"
        if letter.priority != "normal":
            found["Importance"] = "high"
        found.set_content(delivery.body or delivery.subject)
        if letter.picture is not None:
            _illustrate(found, delivery.body, letter.picture)
        return found

    async def close(self) -> None:
        """Nothing to give back: each message has a connection of its own."""


def _illustrate(message: EmailMessage, body: str, picture: bytes) -> None:
    """The same as HTML with the picture in it, for mailboxes that show that."""
    words = f'<pre style="font-family:inherit;white-space:pre-wrap">{escape(body)}</pre>'
    image = f'<img src="cid:{CHART}" width="600" alt="chart">'
    message.add_alternative(f"<html><body>{words}{image}</body></html>", subtype="html")
    html = message.get_payload()[1]  # type: ignore[index]
    html.add_related(picture, "image", "png", cid=f"<{CHART}>", filename="chart.png", disposition="inline")  # type: ignore[union-attr]


def _at(settings: Any, address: str) -> Channel:
    """``mailto:ann@example.com``.

    Raises:
        InvalidInput: it is no mailbox.
    """
    to = address.partition(":")[2]
    if not _ADDRESS.fullmatch(to):
        raise InvalidInput("address", [Fault("address", "expected mailto:name@example.com")])
    return Email(settings, to)


def _channels(settings: Any) -> Mapping[str, Channel]:
    if not (_is_set_up(settings) and settings.smtp_to):
        return {}
    return {"email": _at(settings, f"mailto:{settings.smtp_to}")}


def _is_set_up(settings: Any) -> bool:
    return bool(settings.smtp_host and settings.smtp_from)


DECLARED = Declaration(
    names=("email",),
    settings={
        "smtp_host": (str, ""),
        "smtp_port": (int, Field(default=SUBMISSION, ge=1, le=65_535)),
        "smtp_user": (str, ""),
        "smtp_password": (SecretStr, SecretStr("")),
        "smtp_starttls": (bool, True),
        "smtp_from": (str, ""),
        "smtp_to": (str, ""),
    },
    build=_channels,
    advice="set SMTP_HOST, SMTP_FROM and SMTP_TO",
    schemes=("mailto",),
    at=_at,
    can_be_used=_is_set_up,
)

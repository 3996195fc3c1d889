"""A real SMTP server on loopback, with STARTTLS and a password, that can refuse, wait and hang up."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "ann", "planted-password-of-mail"


@dataclass
class Mail:
    """One server. ``fault`` is how the next messages go: refused, later, busy, unknown, slow, silent, hangs_up, or well."""

    port: int = 0
    fault: str = ""
    faults_left: int = 10**9
    asked: int = 0
    certificate: Path = Path()
    messages: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked += 1
        if self.faults_left <= 0:
            self.fault = ""
        self.faults_left -= 1
        if self.fault == "unknown":
            return "550 5.1.1 no such mailbox"
        if self.fault == "silent":
            await asyncio.sleep(3600)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        if self.fault == "refused":
            return "554 5.7.1 refused for policy"
        if self.fault == "busy":
            return "421 4.7.0 too many messages, try again later"
        if self.fault == "later":
            return "451 4.3.0 try again later"
        if self.fault == "hangs_up":
            server.transport.abort()
            return "421 bye"
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.messages.append(found)
        self.encrypted.append(session.ssl is not None)
        if self.fault == "slow":
            await asyncio.sleep(3600)
        return "250 OK"


def authenticate(_server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
    well = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=well, handled=False)


@asynccontextmanager
async def mail_server(folder: Path) -> AsyncIterator[Mail]:
    """On a port of its own."""
    mail = Mail(certificate=folder / "mail.pem")
    context = _tls(mail.certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            mail, hostname="localhost", tls_context=context, require_starttls=True, auth_required=True,
            authenticator=authenticate, loop=loop,
        ),
        "127.0.0.1", 0,
    )  # fmt: skip
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()


def _tls(path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context

"""HTTP to others: every answer within a time and a size, no redirects, and no connection to where nobody should be sent.

Addresses are looked at when the connection is made, not when the name was written down: what a name stands for may change.
Where the environment names a proxy, the proxy connects, and what it may reach is its operator's to say.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Annotated, Any
from urllib.request import getproxies

import httpx
from pydantic import AfterValidator, SecretStr

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
METADATA = ip_network("fd00:ec2::/32")  # a cloud's own service, which answers with keys; the others are link-local
SHARED = ip_network("100.64.0.0/10")
MOST_ADDRESSES = 4


def _fit_for_a_header(value: SecretStr) -> SecretStr:
    if re.search(r"[^!-~]", value.get_secret_value()):
        raise ValueError("expected letters, digits and signs without blanks, as keys have them")
    return value


HeaderKey = Annotated[SecretStr, AfterValidator(_fit_for_a_header)]  # a key that is sent in a header or an address


class NotAllowed(httpx.ConnectError):
    """The name stands for an address that is not to be connected to."""


class TooLarge(httpx.HTTPError):
    """The answer is larger than it may be."""


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """One for all clients of the process: each takes 30 ms to make."""
    return httpx.create_ssl_context()


def is_http(text: str) -> bool:
    """Whether a text can be an address."""
    return bool(re.match(r"https?://[^/\s]+", text))


def an_address(text: str) -> str:
    """The text, when it can be an address or is empty.

    Raises:
        ValueError: it is none.
    """
    if text and not is_http(text):
        raise ValueError("expected an address that begins with http:// or https://")
    return text


def is_allowed(text: str, *, private: bool) -> bool:
    """Whether an address may be connected to; ``private`` allows this machine and its own networks."""
    address: Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if isinstance(address, IPv6Address) and address.sixtofour is not None:
        return is_allowed(str(address.sixtofour), private=False)
    if address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA:
        return False
    if address.is_private or address.is_loopback or address in SHARED:
        return private
    return not address.is_reserved


async def resolve(host: str, port: int) -> list[str]:
    """What the system says the name stands for, each address once; an address stands for itself."""
    with suppress(ValueError):
        return [str(ip_address(host))]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, proto=6)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connects to the addresses a name stands for, those that are allowed; the certificate is still the name's."""

    def __init__(self, *, private: bool, resolving: Resolve = resolve) -> None:
        self.private, self.resolving = private, resolving
        self.inner = httpx.AsyncHTTPTransport(verify=tls())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One request, to the first address that answers.

        Raises:
            NotAllowed: there is none that may be connected to.
        """
        host = request.url.host
        try:
            found = await self.resolving(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        except OSError as error:
            raise httpx.ConnectError(f"the name cannot be resolved ({type(error).__name__})") from None
        allowed = [one for one in found if is_allowed(one, private=self.private)][:MOST_ADDRESSES]
        if not allowed:
            raise NotAllowed("the name stands for an address that is not allowed", request=request)
        extensions = {**request.extensions, "sni_hostname": host}
        for address in allowed[:-1]:
            try:
                return await self._to(address, request, extensions)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._to(allowed[-1], request, extensions)

    async def _to(self, address: str, request: httpx.Request, extensions: dict[str, Any]) -> httpx.Response:
        url = request.url.copy_with(host=address)
        there = httpx.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=extensions
        )
        return await self.inner.handle_async_request(there)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self.inner.aclose()


class Outgoing:
    """The one client for vendors, webhooks and services. ``timeout`` is of a whole answer, in seconds."""

    def __init__(
        self,
        *,
        timeout: float,
        most_bytes: int,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        private: bool = True,
        resolving: Resolve = resolve,
    ) -> None:
        self.timeout, self.most_bytes = timeout, most_bytes
        proxied = getproxies().keys() & {"http", "https", "all"}
        checked = None if proxied else CheckedTransport(private=private, resolving=resolving)
        self.http = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout,
            headers=dict(headers or {}),
            follow_redirects=False,
            verify=tls(),
            transport=checked,
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        begin: int | None = None,
    ) -> httpx.Response:
        """The whole answer; with ``begin``, its head and at least so many bytes of what follows: no more is read.

        Raises:
            TimeoutError: it did not come in time, all of it.
            TooLarge: it is larger than it may be.
            httpx.HTTPError: it could not be had.
            httpx.InvalidURL: the address is none.
        """
        try:
            async with asyncio.timeout(self.timeout):  # of all of it: an answer that drips is none
                return await self._read(method, url, params, content, headers, begin)
        except httpx.TimeoutException:
            raise TimeoutError from None

    async def _read(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        begin: int | None,
    ) -> httpx.Response:
        body = bytearray()
        async with self.http.stream(method, url, params=params, content=content, headers=headers) as answer:
            if begin != 0:
                async for part in answer.aiter_bytes():
                    body += part
                    if begin is not None and len(body) >= begin:
                        break
                    if begin is None and len(body) > self.most_bytes:
                        raise TooLarge(f"more than {self.most_bytes >> 20} MB")
        plain = [
            (k, v) for k, v in answer.headers.multi_items() if k.lower() not in ("content-encoding", "content-length")
        ]
        return httpx.Response(answer.status_code, headers=plain, content=bytes(body))

    async def close(self) -> None:
        """Closes the connections."""
        await self.http.aclose()

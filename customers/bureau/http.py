"""One question over HTTPS to an address somebody configured, as if that address were hostile.

The name is resolved once and the connection goes to the very address that was checked (nothing to rebind); addresses
that are not public are refused, so that nobody makes us ask our own network; redirects are never followed; the whole
exchange has one deadline, however slowly the other side drips; the answer has a size. Hosts of one's own network
(a gateway) are named in BUREAU_PRIVATE_HOSTS.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from creditdesk.core.sentences import gettext as _
from customers.bureau.adapters import BadAnswer, Refused, Unavailable

MAX_BYTES = 2_000_000
CONNECT_SECONDS = 4.0
TOTAL_SECONDS = 15.0
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer; `json` raises BadAnswer where it is none."""

    status: int
    body: bytes
    retry_after: int | None = None

    def json(self) -> Any:
        try:
            return json.loads(self.body.decode("utf-8"), parse_float=str, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise BadAnswer(
                "", _("The answer is not JSON, or was cut off: ask again, or call the agency.")
            ) from error

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").replace("\x00", "")


def _no_number(name: str) -> Any:
    raise ValueError(name)


def ask(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    seconds: float = TOTAL_SECONDS,
) -> Reply:
    """Send one request; a body is sent as JSON. Raises Unavailable, Refused (a redirect, 4xx) or BadAnswer (too large).

    404 is an answer (the agency does not know whom we ask about), and returned as every status below 400.
    """
    deadline = time.monotonic() + seconds
    parts = checked_address(url)
    sent = {"Accept": "application/json", "User-Agent": "creditdesk", **(headers or {})}
    payload = None
    if body is not None:
        payload = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    channel = _connect(parts, deadline)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.sock = channel
    # Whoever drips a byte at a time never runs into a timeout of the socket: the line is cut instead.
    guard = threading.Timer(max(0.1, deadline - time.monotonic()), _cut, (channel,))
    guard.daemon = True
    guard.start()
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=payload, headers=sent)
        reply = _read(connection, deadline)
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(_("The agency did not answer in time, or broke off."), was_sent=True) from error
    finally:
        guard.cancel()
        connection.close()
    return _judged(reply)


def _cut(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def checked_address(url: str) -> Any:
    """The parts of an address we may ask: https (or a private host named in the settings). Raises Refused."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(_("%(url)s is not an address: correct the settings.") % {"url": url[:200]}) from error
    host = parts.hostname or ""
    is_private = private_host(host, port)
    if not host or parts.username or parts.password or any(ord(c) <= 32 for c in url):
        raise Refused(_("%(url)s is not an address: correct the settings.") % {"url": url[:200]})
    if parts.scheme != "https" and not (is_private and parts.scheme == "http"):
        raise Refused(_("Agencies are asked over https only: correct the address."))
    return parts


def private_host(host: str, port: int | None) -> bool:
    named = getattr(settings, "BUREAU_PRIVATE_HOSTS", ())
    return host in named or f"{host}:{port}" in named


def is_public(address: str) -> bool:
    """Whether an address is of the public internet, also behind the ways IPv6 wraps an IPv4 address."""
    ip: Any = ipaddress.ip_address(address.split("%", 1)[0])
    if ip.version == 6:
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def _connect(parts: Any, deadline: float) -> Any:
    host, secure = parts.hostname, parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            _("The agency's address %(host)s is not known to the network.") % {"host": host}
        ) from error
    # All of them: a name that is public and private at once is a trick.
    if not private_host(host, parts.port) and not all(is_public(str(one[4][0])) for one in found):
        raise Refused(_("%(host)s is an address of our own network: it is not asked.") % {"host": host})
    address = str(found[0][4][0])
    wait = max(0.1, min(CONNECT_SECONDS, deadline - time.monotonic()))
    try:
        channel: Any = socket.create_connection((address, port), timeout=wait)
        if secure:
            channel = ssl.create_default_context().wrap_socket(channel, server_hostname=host)
    except (OSError, ValueError) as error:
        raise Unavailable(_("The agency could not be reached.")) from error
    channel.settimeout(max(0.1, deadline - time.monotonic()))
    return channel


def _read(connection: http.client.HTTPConnection, deadline: float) -> Reply:
    response = connection.getresponse()
    body = b""
    while block := response.read1(_BLOCK):
        body += block
        if len(body) > MAX_BYTES:
            raise BadAnswer(
                "", _("The answer is larger than %(size)s bytes: it is not read.") % {"size": MAX_BYTES}
            )
    if time.monotonic() > deadline:
        raise TimeoutError
    if response.length:  # fewer bytes than were announced
        raise http.client.IncompleteRead(body, response.length)
    return Reply(response.status, body, _seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> int | None:
    return min(int(text), 86_400) if text and text.isascii() and text.isdigit() and len(text) < 9 else None


def _judged(reply: Reply) -> Reply:
    status = reply.status
    if status in (401, 403):
        raise Refused(
            _("The agency refused our credentials (HTTP %(status)s).") % {"status": status},
            payload=reply.text,
        )
    if 300 <= status < 400:
        raise Refused(
            _("The agency sent us elsewhere (HTTP %(status)s): correct the address.") % {"status": status},
            payload=reply.text,
        )
    if status == 429 or status >= 500:
        raise Unavailable(
            _("The agency cannot answer now (HTTP %(status)s).") % {"status": status},
            retry_after=reply.retry_after,
        )
    if status >= 400 and status != 404:
        raise Refused(
            _("The agency did not understand the question (HTTP %(status)s).") % {"status": status},
            payload=reply.text,
        )
    return reply

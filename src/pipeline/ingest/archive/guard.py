"""What a server may do to those who ask it: bounds on bytes and time, and where a redirect may lead.

A server may send more than it said, or without end, or a byte a minute; it may redirect to a server inside the network of
this machine, or have a name whose address changes to one there. Addresses are checked where they are connected to,
after the name was resolved.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.config.archive import RemoteOptions
from pipeline.ingest.archive.retries import Refused, TooSlow

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHOWN = 200  # characters of an address
_AMAZON = re.compile(r"(^|\.)s3[a-z0-9.-]*\.amazonaws\.com(\.cn)?$")
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Guard:
    """Checks each request of an archive's server, also those that follow a redirect: a middleware of aiohttp.

    Parameters
    ----------
    hosts : sequence of str
        Where the archive is; none: what the library of S3 asks by its own configuration.
    options : RemoteOptions
        Where redirects may lead.
    """

    def __init__(self, hosts: Sequence[str], options: RemoteOptions):
        self._may_lead_to = {one.lower() for one in options.allow_redirects_to}
        self._hosts = {host.lower() for host in hosts}
        self._named = self._hosts | {_host(one) for one in self._may_lead_to}
        self._proxies = {urlsplit(url).hostname for url in getproxies().values()}
        self._was_inside: dict[str, bool] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Make a request, unless it or its answer leads to where it must not.

        Raises
        ------
        Refused
            With the reason.
        """
        self._check(request.url)
        response = await handler(request)
        place = response.headers.get("Location") or response.headers.get("URI")
        if response.status in _REDIRECTS and place:
            try:
                target = request.url.join(URL(place))
                allowed = self.may_lead(request.url, target)
            except ValueError as error:
                response.close()
                raise Refused("the server redirects to what is no address") from error
            if not allowed:
                response.close()
                raise Refused(
                    f"the server redirects to {_shown(target)}, which is another server: if it belongs to the "
                    f"archive, add {target.host!r} to remote.allow_redirects_to"
                )
        return response

    def may_lead(self, source: URL, target: URL) -> bool:
        """Return whether a redirect may be followed: to the same server, or to one that the user named."""
        if target.scheme not in _PORTS or not target.host:
            return False
        if source.origin() == target.origin():
            return True
        ports = (source.port, target.port)
        is_upgrade = (source.scheme, target.scheme) == ("http", "https") and ports == (80, 443)
        if source.host == target.host and is_upgrade:
            return True
        if not self._hosts and _AMAZON.search(source.host or "") and _AMAZON.search(target.host):
            return True
        host = target.host.lower()
        return bool({host, f"{host}:{target.port}"} & self._may_lead_to)

    def may_connect(self, host: str, address: str) -> bool:
        """Return whether a server with a name may be at an address.

        An address inside a network is that of the archive itself, or of a server that the user named, if it was so
        from the beginning; one of this machine or of the link (where clouds give out credentials) has a name that
        says so.
        """
        ip, host = _ip(address), host.lower()
        inside = not _is_public(ip)
        was_inside = self._was_inside.setdefault(host, inside)
        if not inside or host in self._proxies:
            return True
        if ip.is_link_local or ip.is_multicast or not (was_inside and self._is_named(host)):
            return False
        return _is_of_this_machine(host) or not (ip.is_loopback or ip.is_unspecified)

    def _check(self, url: URL) -> None:
        """Raise `Refused` where a request must not go, as far as its URL says it."""
        host = (url.host or "").lower()
        if not self._is_named(host):
            raise Refused(f"{_shown(url)} is not a server of the archive")

    def _is_named(self, host: str) -> bool:
        """Return whether the user named a server."""
        return not self._hosts or host in self._named


class Resolver(AbstractResolver):
    """Resolves names to the addresses that a guard allows."""

    def __init__(self, guard: Guard):
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return addresses of a server.

        Raises
        ------
        Refused
            When it has only such that it must not have.
        """
        found = await aiohttp.ThreadedResolver().resolve(host, port, family)
        allowed = [one for one in found if self._guard.may_connect(host, one["host"])]
        if found and not allowed:
            raise Refused(
                f"{host} is at {found[0]['host']}, an address inside a network, where only the archive itself or a "
                "server in remote.allow_redirects_to may be"
            )
        return allowed

    async def close(self) -> None:
        """Release nothing."""


async def answer(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    options: RemoteOptions,
    **headers: str,
) -> aiohttp.ClientResponse:
    """Return the answer to a request, once its headers are here.

    Raises
    ------
    Refused
        For a redirect that must not be followed, or too many.
    TooSlow
        When the headers are not here in time.
    """
    try:
        async with in_time(options):
            return await session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", **headers},
                max_redirects=options.max_redirects + 1,
            )
    except aiohttp.TooManyRedirects as error:
        times = f"{options.max_redirects} times (remote.max_redirects)"
        raise Refused(f"the server redirects more than {times}") from error


@asynccontextmanager
async def in_time(options: RemoteOptions) -> AsyncIterator[None]:
    """Give a server time to be connected to and to answer.

    Raises
    ------
    TooSlow
        When the time is over.
    """
    try:
        async with asyncio.timeout(2 * options.timeout):
            yield
    except TimeoutError as error:
        raise TooSlow("the server does not answer in time (remote.timeout)") from error


async def blocks(
    content: aiohttp.StreamReader, limit: int, options: RemoteOptions
) -> AsyncIterator[bytes]:
    """Yield what a server sends, up to a limit.

    Parameters
    ----------
    content : aiohttp.StreamReader
        Where it comes from.
    limit : int
        Most bytes.
    options : RemoteOptions
        Fewest bytes a second; the time that the reader takes for itself does not count.

    Raises
    ------
    TooLarge
        When more than `limit` bytes come; those have been yielded.
    TooSlow
        When they come too slowly.
    """
    clock, waited, size = asyncio.get_running_loop().time, 0.0, 0
    while True:
        before = clock()
        block = await content.readany()
        waited += clock() - before
        if not block:
            return
        if size + len(block) > limit:
            yield block[: limit - size]
            raise TooLarge
        size += len(block)
        if waited > options.timeout and size < options.min_rate * waited:
            raise TooSlow(
                f"it gives fewer than {options.min_rate:g} bytes a second (remote.min_rate)"
            )
        yield block


async def whole(content: aiohttp.StreamReader, limit: int, options: RemoteOptions) -> bytes:
    """Return all that a server sends. See `blocks`."""
    found = bytearray()
    async for block in blocks(content, limit, options):
        found += block
    return bytes(found)


class TooLarge(Exception):
    """A server sends more than it may."""


def _host(text: str) -> str:
    """Return the host of ``host`` or ``host:port``."""
    return urlsplit(f"//{text}").hostname or text


def _ip(address: str) -> Address:
    """Return an address; that of an older protocol that it holds."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        held = ip.ipv4_mapped or ip.sixtofour
        if held is None and ip in _NAT64:
            held = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return held or ip
    return ip


def _is_public(ip: Address) -> bool:
    """Return whether an address is one of the internet, and not of a machine or a network."""
    return ip.is_global and not ip.is_multicast


def _is_of_this_machine(host: str) -> bool:
    """Return whether a name or an address says that it is of this machine or its network."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    here = socket.gethostname().lower()
    return "." not in host or host.endswith(".localhost") or host in (here, here.partition(".")[0])


def _shown(url: URL) -> str:
    """Return an address without what may be secret in it."""
    port = "" if url.port in (None, _PORTS.get(url.scheme)) else f":{url.port}"
    return f"{url.scheme}://{url.host_subcomponent or ''}{port}{url.raw_path}"[:_SHOWN]

"""Addresses that vendors name: which are their own and may be given the key, and which can deliver a picture."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urljoin, urlsplit

_PLAIN = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without the backslash: on anything else, parsers disagree where the host name ends."""

_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
"""A host name as DNS has it; with brackets or escapes in it, parsers disagree again."""

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine.

    Examples
    --------
    >>> is_loopback("http://127.0.0.1:8188/prompt"), is_loopback("https://api.bfl.ai")
    (True, False)
    """
    address = _split(url)
    return address is not None and address.hostname in ("127.0.0.1", "::1", "localhost")


def is_owned(url: str, base_url: str, domains: Iterable[str]) -> bool:
    """Tell whether an address has the origin of ``base_url``, or is on one of the domains by https.

    Where the base address is on this machine, the domains do not count: a simulated vendor's key stays here.

    Examples
    --------
    >>> is_owned("https://api.eu2.bfl.ai/v1/get_result?id=1", "https://api.bfl.ai", ["bfl.ai"])
    True
    >>> is_owned("https://notbfl.ai/", "https://api.bfl.ai", ["bfl.ai"])
    False
    """
    address, base = _split(url), _split(base_url)
    if address is None or base is None:
        return False
    if address.scheme in ("http", "https") and (address.scheme, address.netloc) == (base.scheme, base.netloc):
        return True
    host = address.netloc.lower().removesuffix(":443")
    if is_loopback(base_url) or address.scheme != "https" or not _NAME.fullmatch(host):
        return False
    return any(host == domain or host.endswith("." + domain) for domain in domains)


def keeps_secrets(base_url: str) -> bool:
    """Tell whether nobody on the way can read a key that is sent there, and the address itself holds no password.

    Examples
    --------
    >>> keeps_secrets("https://api.bfl.ai"), keeps_secrets("http://127.0.0.1:8080"), keeps_secrets("http://api.bfl.ai")
    (True, True, False)
    """
    address = _split(base_url)
    if address is None or "@" in address.netloc:
        return False
    return address.scheme == "https" or is_loopback(base_url)


def may_deliver(url: str, base_url: str) -> bool:
    """Tell whether a picture can come from an address: by https from the public web.

    Where the base address is on this machine, it must come from this machine.
    """
    address = _split(url)
    if address is None:
        return False
    if is_loopback(base_url):
        return address.scheme in ("http", "https") and is_loopback(url)
    return address.scheme == "https" and _is_public(address.hostname or "")


def host_of(url: str) -> str:
    """Return the host name of an address for a message, ``no host`` where there is none."""
    address = _split(url)
    return (address.hostname if address else None) or "no host"


def joined(url: str, location: str) -> str:
    """Return the address that a redirect from ``url`` names; it may be relative. Empty where it makes no sense."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _split(url: str) -> SplitResult | None:
    """Return the parts of an address, None if it cannot be split or its port is no number."""
    if not _PLAIN.fullmatch(url):
        return None
    try:
        address = urlsplit(url)
        _ = address.port
    except ValueError:
        return None
    return address


def _is_public(host: str) -> bool:
    host = host.rstrip(".")
    if "." not in host or ":" in host or host.endswith(_PRIVATE_SUFFIXES):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        # "127.1" and "0x7f.0.0.1" are no names either: resolvers read them as numbers.
        return not re.fullmatch(r"\d+|0x[0-9a-f]*", host.rpartition(".")[2])

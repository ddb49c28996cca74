"""Proxies from the environment; a loopback address is always connected to directly."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")
ALL = "*"
"""The value for no proxy at all; clients know it only if it stands alone."""


def proxy_for(url: str) -> str | None:
    """The proxy for the URL from this process's environment (HTTPS_PROXY, ALL_PROXY, NO_PROXY, …); None without one."""
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    stated = getproxies()
    return stated.get(parts.scheme) or stated.get("all")


def is_loopback(address: str) -> bool:
    """True if the URL or HOST:PORT names this machine by its loopback address."""
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name
        return False


def without_proxy_for_loopback(env: Mapping[str, str]) -> dict[str, str]:
    """Returns the NO_PROXY variables with the loopback addresses added, for a child process with other clients."""
    stated = next((env[name] for name in NO_PROXY_VARIABLES if env.get(name)), "")
    names = [name.strip() for name in stated.split(",") if name.strip()]
    if ALL not in names:
        names += [name for name in LOOPBACK_NAMES if name not in names]
    return dict.fromkeys(NO_PROXY_VARIABLES, ",".join(names))

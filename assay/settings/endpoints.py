"""Addresses of services, as variables and providers.yml state them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

URL = re.compile(r"https?://[^\s/?#]+[^\s?#]*")
PORT = "a port from 1 to 65535"


def url_issue(value: str) -> str | None:
    """Returns what is expected instead of the value; None if it is the address of an HTTP service."""
    if not URL.fullmatch(value):
        return "http://HOST:PORT or https://…, without a query"
    return _host_issue(value)


def host_issue(value: str) -> str | None:
    """Returns what is expected instead of the value; None if it is HOST:PORT."""
    if not re.fullmatch(r"[^\s/?#@]+:\d+", value, re.ASCII):
        return "HOST:PORT"
    return _host_issue(f"//{value}")


def _host_issue(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return PORT
    except ValueError:  # a port out of range, or an IPv6 address without its closing bracket
        return f"a valid host and {PORT}"
    return None if parts.hostname else "a host"

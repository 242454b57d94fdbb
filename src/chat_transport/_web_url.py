"""Absolute URLs as JavaScript writes them, so that a file's URL reads the same on both sides.

Rule: what `new URL(text).href` gives for the URLs that occur; a host is not looked at closer than
for its case and its letters. Source: url.spec.whatwg.org, read 2026-11.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

__all__ = ["normal_url"]

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):(.*)", re.DOTALL)
_WEB = re.compile(
    r"[/\\]*(?:([^/\\?#]*)@)?([^/\\?#@:\[]+|\[[^\]]*\])(?::([0-9]*))?([/\\][^?#]*)?(\?[^#]*)?(#.*)?",
    re.DOTALL,
)
_ENDS = "".join(map(chr, range(0x21)))
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
_NOT_IN_HOST = set("\x7f #%/:<>?@[\\]^|") | set(_ENDS)
_DOTS = {".": "", "%2e": "", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}


def normal_url(text: str) -> str | None:
    """Give the URL as JavaScript would write it; None if it is no absolute URL."""
    trimmed = re.sub("[\t\n\r]", "", text.strip(_ENDS))
    found = _URL.fullmatch(trimmed)
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2]
    if scheme not in _DEFAULT_PORTS:
        return f"{scheme}:{_other(rest)}"
    parts = _WEB.fullmatch(rest)
    host = None if parts is None else _host(parts[2])
    if parts is None or host is None or len(parts[3] or "") > 5 or int(parts[3] or 0) > 0xFFFF:
        return None
    login = "" if parts[1] is None else _encoded(parts[1], ' "#<>?`{}/;=@[]^|') + "@"
    port = "" if parts[3] in {None, "", _DEFAULT_PORTS[scheme]} else f":{int(parts[3])}"
    query, fragment = _encoded(parts[5] or "", " \"#<>'"), _encoded(parts[6] or "", ' "<>`')
    return f"{scheme}://{login}{host}{port}{_path(parts[4] or '/')}{query}{fragment}"


def _other(rest: str) -> str:
    """Of a scheme that browsers do not know: only what is behind a host has a form."""
    if not rest.startswith("//"):
        return quote(rest, safe=_PRINTABLE, errors="replace")
    host, slash, path = rest[2:].partition("/")
    return f"//{host}" + (_path(slash + path) if slash else "")


def _host(given: str) -> str | None:
    if given.startswith("["):
        return given.lower()
    host = unquote(given).lower()
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None
    return None if not host or _NOT_IN_HOST & set(host) else host


def _path(given: str) -> str:
    segments: list[str] = []
    given_segments = given.replace("\\", "/").split("/")[1:]
    for segment in given_segments:
        dots = _DOTS.get(segment.lower())
        if dots is None:
            segments.append(_encoded(segment, ' "#<>?`{}'))
        elif dots:
            del segments[-1:]
    if given_segments[-1].lower() in _DOTS:
        segments.append("")
    return "/" + "/".join(segments)


def _encoded(text: str, but: str) -> str:
    """Percent-encode what is not printable, and the characters of `but`."""
    safe = "".join(set(_PRINTABLE) - set(but))
    return quote(text, safe=safe, errors="replace")

"""Which AI SDK a client has, as far as it says so.

Rule: a wrong word gives the newest profile; nothing a client says is an error here.
"""

from __future__ import annotations

from functools import lru_cache

from ...codecs.client_profiles import CLIENT_PROFILES, ClientProfile
from .exchange import IncomingRequest

__all__ = ["profile_for"]


def profile_for(request: IncomingRequest, choice: str) -> ClientProfile:
    """Give the client's profile; with `auto` the client says it, else it is taken for v7.

    It says it by the header `x-ai-sdk-version` or the query parameter `client` (`6` or `6.0.50`),
    or by the user agent `ai-sdk/5.0.1` that v5 and v6 send outside browsers.
    """
    if choice != "auto":
        return CLIENT_PROFILES[choice]
    agent = request.headers.get("user-agent", "").partition("ai-sdk/")[2].partition(" ")[0]
    said = request.headers.get("x-ai-sdk-version") or request.query.get("client") or agent
    version = said.removeprefix("v")
    if "." in version:
        return _profile_of(version)
    return CLIENT_PROFILES.get(f"v{version}", CLIENT_PROFILES["v7"])


@lru_cache(maxsize=64)
def _profile_of(version: str) -> ClientProfile:
    try:
        return ClientProfile(version)
    except ValueError:
        return CLIENT_PROFILES["v7"]

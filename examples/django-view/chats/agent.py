"""Who asks, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from importlib import import_module

from django.conf import settings

from chat_transport import Run, UIMessageChunk, User
from chat_transport.chunks import TextDelta, TextEnd, TextStart
from chat_transport.transports.http import IncomingRequest

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore


async def who(request: IncomingRequest) -> User | None:
    """Give the user of Django's session; None is answered with 401."""
    cookie = SimpleCookie(request.headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    name = await SessionStore(cookie.value if cookie else None).aget("user")
    return User(id=name) if name else None


async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
    """Put your model here; Django's async ORM is at hand."""
    yield TextStart(id="t")
    for word in (f"Hello {run.user.id}, ", "you said ", f"<{run.messages[-1].text}>."):
        yield TextDelta(id="t", delta=word)
    yield TextEnd(id="t")

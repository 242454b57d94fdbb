"""The chat in every framework: each function gives an ASGI application with a page of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from chat_transport.agent.run import Run
from chat_transport.chunks import TextDelta, TextEnd, TextStart, UIMessageChunk
from chat_transport.transports.http.app import create_app


async def echo(run: Run) -> AsyncIterator[UIMessageChunk]:
    yield TextStart(id="t")
    yield TextDelta(id="t", delta=f"you said {run.messages[-1].text}")
    yield TextEnd(id="t")


def standalone() -> Any:
    return create_app(echo)


def fastapi() -> Any:
    from fastapi import FastAPI

    chat = create_app(echo)
    app = FastAPI(lifespan=chat.lifespan)

    @app.get("/own")
    async def own() -> str:
        return "own page"

    app.mount("/", chat)
    return app


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    chat = create_app(echo)
    return Starlette(
        routes=[
            Route("/own", lambda _request: PlainTextResponse("own page")),
            Mount("/api", chat),
        ],
        lifespan=chat.lifespan,
    )


def litestar() -> Any:
    from litestar import Litestar, asgi, get

    chat = create_app(echo)

    @get("/own")
    async def own() -> str:
        return "own page"

    mounted = asgi("/api", is_mount=True, copy_scope=True)(chat)
    return Litestar(route_handlers=[own, mounted], lifespan=[chat.lifespan])


def django() -> Any:
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="test", DEBUG=False
        )
    from django.core.asgi import get_asgi_application

    return create_app(echo, otherwise=get_asgi_application())


def quart() -> Any:
    from quart import Quart

    app = Quart(__name__)

    @app.get("/own")
    async def own() -> str:
        return "own page"

    return create_app(echo, otherwise=app)


def flask() -> Any:
    from a2wsgi import WSGIMiddleware
    from flask import Flask

    app = Flask(__name__)

    @app.get("/own")
    def own() -> str:
        return "own page"

    return create_app(echo, otherwise=WSGIMiddleware(app))


def _django_urls() -> list[Any]:
    from django.http import HttpResponse
    from django.urls import path

    return [path("own", lambda _request: HttpResponse("own page"))]


def __getattr__(name: str) -> Any:
    if name == "urlpatterns":
        return _django_urls()
    raise AttributeError(name)

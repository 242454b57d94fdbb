"""Two views of Django's own: a log-in, and a page that shows a chat."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.html import format_html, format_html_join

from .store import DjangoChatStore


def login(request: HttpRequest, name: str) -> HttpResponse:
    """Believe everybody. Put `django.contrib.auth` in its place."""
    request.session["user"] = name
    return JsonResponse({"user": name})


async def transcript(request: HttpRequest, chat_id: str) -> HttpResponse:
    """Show a chat to who owns it."""
    chat = await DjangoChatStore().load(chat_id)
    user = await request.session.aget("user")
    if chat is None or user is None or chat.owner != user:
        raise Http404
    rows = ((message.role, message.text) for message in chat.messages)
    return HttpResponse(
        format_html("<dl>{}</dl>", format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))
    )


urlpatterns = [
    path("login/<str:name>", login),
    path("chats/<str:chat_id>", transcript),
]

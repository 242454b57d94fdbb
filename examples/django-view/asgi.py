"""The site: the chat stands in front of Django. `uvicorn asgi:application`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

from chat_transport.transports.http import create_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django = get_asgi_application()  # Django's rule: before anything that imports models

from chats.agent import handler, who  # noqa: E402
from chats.store import DjangoChatStore  # noqa: E402

application = create_app(handler, store=DjangoChatStore(), authenticate=who, otherwise=django)

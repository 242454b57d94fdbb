"""A `ChatStore` on Django's ORM: chats are rows, for views, the admin and your queries."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import close_old_connections, transaction

from chat_transport import UIMessage
from chat_transport.transports.http import ChatStore, StoredChat

from .models import Chat


class DjangoChatStore(ChatStore):
    async def load(self, chat_id: str) -> StoredChat | None:
        return await sync_to_async(self._load)(chat_id)

    async def save(self, chat_id: str, chat: StoredChat) -> None:
        await sync_to_async(self._save)(chat_id, chat)

    async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
        await sync_to_async(self._put)(chat_id, message, after_id)

    def _load(self, chat_id: str) -> StoredChat | None:
        close_old_connections()
        row = Chat.objects.filter(id=chat_id).first()
        if row is None:
            return None
        messages = tuple(UIMessage.model_validate(each) for each in row.messages)
        return StoredChat(messages=messages, owner=row.owner)

    def _save(self, chat_id: str, chat: StoredChat) -> None:
        close_old_connections()
        fields = {"owner": chat.owner, "messages": [each.to_wire() for each in chat.messages]}
        Chat.objects.update_or_create(id=chat_id, defaults=fields)

    @transaction.atomic
    def _put(self, chat_id: str, message: UIMessage, after_id: str | None) -> None:
        Chat.objects.get_or_create(id=chat_id)
        row = Chat.objects.select_for_update().get(id=chat_id)  # another run may end just now
        ids = [each["id"] for each in row.messages]
        if message.id in ids:
            row.messages[ids.index(message.id)] = message.to_wire()
        elif after_id in ids:
            row.messages.insert(ids.index(after_id) + 1, message.to_wire())
        else:
            row.messages.append(message.to_wire())
        row.save()

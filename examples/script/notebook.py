"""A chat without `async`, cell by cell, as in a notebook: `python notebook.py [url]`."""

# %% Connect. The chat has an event loop in a thread of its own; each call here waits for it.
from __future__ import annotations

import sys
from threading import Thread

from chat_transport import Chat, SyncChat
from chat_transport.transports.http import HttpChatTransport

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/api/chat"
chat = SyncChat(Chat(HttpChatTransport(address), id="notebook"))
chat.__enter__()  # a notebook has no block to be left; a program says `with SyncChat(...) as chat:`

# %% Ask, and wait for the whole reply.
chat.send("count to 3")
print("reply:", chat.messages[-1].text)

# %% Ask something else instead: the first question is replaced, and so is its reply.
chat.send("count to 4", message_id=chat.messages[0].id)
print("reply:", chat.messages[-1].text)

# %% Watch a reply grow, and stop it when there is enough. Somebody else has to wait for it.
asking = Thread(target=chat.send, args=("count to 1000",))
asking.start()
for state in chat.updates(throttle_s=0.05):
    reply = state.messages[-1].text
    print("growing:", reply)
    if " 9 " in reply:
        chat.stop()
        break
asking.join()
print("status:", chat.status)

# %% What the server remembers.
for message in chat.load_history().messages:
    print(f"{message.role}:", message.text)

# %% Leave.
chat.__exit__(None, None, None)

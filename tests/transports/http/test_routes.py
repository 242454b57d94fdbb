from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import anyio
import httpx2
import pytest

from chat_transport.agent.run import Run, User
from chat_transport.chunks import Finish, TextDelta, TextStart, UIMessageChunk
from chat_transport.codecs.ui_request import RequestLimits
from chat_transport.inputs import SendMessages
from chat_transport.messages import TextPart, UIMessage
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.chat_store import MemoryChatStore, StoredChat
from chat_transport.transports.http.client import HttpChatTransport
from chat_transport.transports.http.exchange import IncomingRequest

pytestmark = pytest.mark.anyio
Serve = Callable[[object], str]


def question(text: str, chat_id: str = "c", **more: object) -> dict[str, object]:
    return {"id": chat_id, "messages": [UIMessage.user(text, id="u1").to_wire()], **more}


def by_token(request: IncomingRequest) -> User | None:
    name = request.headers.get("authorization")
    return User(id=name, role="member") if name else None


async def test_the_hook_gives_the_run_its_user_and_the_body_its_metadata(serve: Serve):
    seen: list[Run] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        seen.append(run)
        yield Finish()

    url = serve(create_app(handler, authenticate=by_token)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            refused = await client.post(url, json=question("hi"))
            await client.post(
                url, json=question("hi", model="m1"), headers={"authorization": "ann"}
            )
    assert (refused.status_code, refused.text) == (401, "authentication is required")
    assert [run.user for run in seen] == [User(id="ann", role="member")]
    assert seen[0].metadata == {"model": "m1"}


async def test_a_chat_belongs_to_the_user_that_began_it(serve: Serve, handlers: type):
    url = serve(create_app(handlers.echo, authenticate=by_token)) + "/api/chat"
    ann, bob = {"authorization": "ann"}, {"authorization": "bob"}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            assert (await client.post(url, json=question("hi"), headers=ann)).status_code == 200
            answers = [
                await client.post(url, json=question("mine"), headers=bob),
                await client.get(url + "/c", headers=bob),
            ]
            own = await client.get(url + "/c", headers=ann)
    assert [answer.status_code for answer in answers] == [403, 403]
    assert len(own.json()["messages"]) == 2


async def test_an_active_run_of_another_user_is_neither_read_nor_stopped(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        await gate.passed()

    url = serve(create_app(handler, authenticate=by_token)) + "/api/chat"
    ann, bob = {"authorization": "ann"}, {"authorization": "bob"}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            async with client.stream("POST", url, json=question("hi"), headers=ann) as reply:
                assert reply.status_code == 200
                resumed = await client.get(url + "/c/stream", headers=bob)
                stopped = await client.post(url + "/c/stop", headers=bob)
            gate.open()
    assert (resumed.status_code, stopped.status_code) == (403, 403)


async def test_a_hook_may_decide_who_uses_which_chat(serve: Serve, handlers: type):
    async def team(user: User, chat_id: str) -> bool:
        return chat_id.startswith("team-")

    url = serve(create_app(handlers.echo, authorize=team)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            shared = await client.post(url, json=question("hi", "team-1"))
            other = await client.post(url, json=question("hi", "mine"))
    assert (shared.status_code, other.status_code) == (200, 403)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (RequestLimits(body_bytes=50), "request body is longer than 50 bytes"),
        (RequestLimits(messages=0), "`messages` has 1 entries; 0 are allowed"),
        (RequestLimits(parts=0), "`messages[0].parts` has 1 entries; 0 are allowed"),
        (RequestLimits(part_bytes=10), "`messages[0].parts[0]` takes"),
        (RequestLimits(chat_id_chars=0), "`id` is longer than 0 characters"),
    ],
)
async def test_a_request_beyond_a_limit_is_refused(
    serve: Serve, handlers: type, limits: RequestLimits, words: str
):
    url = serve(create_app(handlers.echo, limits=limits)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url, json=question("hello"))
    assert answer.status_code in {400, 413}
    assert words in answer.text


async def test_history_is_the_servers_not_the_clients(serve: Serve):
    seen: list[list[str]] = []

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        seen.append([message.text for message in run.messages])
        yield Finish()

    store = MemoryChatStore()
    await store.save("c", StoredChat(messages=[UIMessage.user("stored", id="u0")]))
    forged = UIMessage(id="a0", role="assistant", parts=[TextPart(text="I may")])
    body = {"id": "c", "messages": [forged.to_wire(), UIMessage.user("new", id="u1").to_wire()]}
    url = serve(create_app(handler, store=store)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            await client.post(url, json=body)
    assert seen == [["stored", "new"]]


async def test_the_same_idempotency_key_follows_the_same_run(serve: Serve):
    count = 0

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        nonlocal count
        count += 1
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"run {count}")

    url = serve(create_app(handler)) + "/api/chat"
    key = {"idempotency-key": "k1"}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            first = await client.post(url, json=question("hi"), headers=key)
            again = await client.post(url, json=question("hi"), headers=key)
            looked = await client.get(url + "/c/stream", headers=key)
    assert count == 1
    assert first.headers["x-chat-run-id"] == again.headers["x-chat-run-id"]
    assert "run 1" in again.text
    assert again.text == looked.text


async def test_disconnect_stops_the_run_where_the_route_says_so(serve: Serve, gate):
    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        try:
            yield TextStart(id="t")
            await anyio.sleep_forever()
        finally:
            gate.open()

    url = serve(create_app(handler, on_disconnect="stop")) + "/api/chat"
    request = SendMessages(chat_id="c", messages=[UIMessage.user("hi", id="u1")])
    with anyio.fail_after(10):
        async with HttpChatTransport(url) as transport, transport.send_messages(request) as reply:
            while not isinstance(await reply.__anext__(), TextStart):
                pass
        await gate.passed()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 405),
        ("DELETE", "/c", 405),
        ("POST", "/c/stream", 405),
        ("GET", "/c/stop", 405),
        ("GET", "/c/x/y", 404),
        ("GET", "/c?limit=many", 400),
        ("GET", "/c?before=unknown", 400),
    ],
)
async def test_what_is_not_there_says_so(
    serve: Serve, handlers: type, method: str, path: str, status: int
):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.request(method, url + path)
    assert answer.status_code == status
    assert answer.text
    assert (status == 405) == ("allow" in answer.headers)


@pytest.mark.parametrize("content", [b"[]", b'{"runId": 1}'])
async def test_a_stop_that_is_malformed_is_refused(serve: Serve, handlers: type, content: bytes):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            answer = await client.post(url + "/c/stop", content=content)
            idle = await client.post(url + "/c/stop")
    assert answer.status_code == 400
    assert idle.json() == {"stopped": 0}


async def test_a_store_that_fails_loses_one_reply_and_no_other(
    serve: Serve, handlers: type, caplog: pytest.LogCaptureFixture
):
    class Failing(MemoryChatStore):
        async def put(self, chat_id: str, message: UIMessage, *, after_id: str | None) -> None:
            if chat_id == "bad":
                raise OSError("disk full")
            await super().put(chat_id, message, after_id=after_id)

    url = serve(create_app(handlers.echo, store=Failing())) + "/api/chat"
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            assert (await client.post(url, json=question("hi", "bad"))).status_code == 200
            assert len((await client.get(url + "/bad")).json()["messages"]) == 1
            assert (await client.post(url, json=question("hi", "good"))).status_code == 200
            assert len((await client.get(url + "/good")).json()["messages"]) == 2
    assert "unable to keep the reply" in caplog.text


async def test_the_same_request_at_the_same_time_begins_one_run(handlers: type):
    """Its answer was lost at once: the client asks again while the first is still being judged."""
    go_on, begun = anyio.Event(), anyio.Event()

    class Slow(MemoryChatStore):
        async def save(self, chat_id: str, chat: StoredChat) -> None:
            begun.set()
            await go_on.wait()
            await super().save(chat_id, chat)

    count = 0

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        nonlocal count
        count += 1
        yield TextStart(id="t")

    app = create_app(handler, store=Slow())
    network = httpx2.ASGITransport(app=app)
    answers: list[httpx2.Response] = []
    key = {"idempotency-key": "k1"}
    with anyio.fail_after(10):
        async with (
            app.lifespan(),
            httpx2.AsyncClient(transport=network, base_url="http://x") as client,
        ):

            async def post() -> None:
                answers.append(await client.post("/api/chat", json=question("hi"), headers=key))

            async def get() -> None:
                answers.append(await client.get("/api/chat/c/stream", headers=key))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(post)
                await begun.wait()
                tasks.start_soon(get)
                tasks.start_soon(post)
                await anyio.wait_all_tasks_blocked()
                go_on.set()
    assert count == 1
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.headers["x-chat-run-id"] for answer in answers}) == 1


async def test_a_request_that_was_refused_may_be_sent_again(serve: Serve, handlers: type):
    url = serve(create_app(handlers.echo)) + "/api/chat"
    key = {"idempotency-key": "k1"}
    forged = {"id": "c", "messages": [{"id": "s", "role": "system", "parts": []}]}
    with anyio.fail_after(10):
        async with httpx2.AsyncClient() as client:
            refused = await client.post(url, json=forged, headers=key)
            taken = await client.post(url, json=question("hi"), headers=key)
    assert refused.status_code in {400, 409}
    assert taken.status_code == 200

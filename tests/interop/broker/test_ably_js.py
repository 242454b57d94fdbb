"""The unmodified `ably` of npm against the broker, alone and together with the one of PyPI."""

from __future__ import annotations

import asyncio

import pytest
import trustme
from ably import AblyRealtime
from ably.types.message import Message

from chat_transport.broker import FaultSettings, serve_broker
from chat_transport.broker.signing import sign_jwt

pytestmark = [pytest.mark.anyio, pytest.mark.interop]
KEY = "app.key:secret"
CREATE, APPEND, UPDATE, DELETE = (
    f"message.{word}" for word in ("create", "append", "update", "delete")
)


def fold(messages):
    known = {}
    for message in messages:
        before = known.get(message["serial"])
        if before is not None and message["version"] <= before[0]:
            continue
        grown = message["action"] == APPEND
        assert before is not None or not grown
        known[message["serial"]] = (
            message["version"],
            before[1] + message["data"] if grown else message["data"],
        )
    return {serial: data for serial, (_, data) in known.items()}


@pytest.mark.parametrize("binary", [False, True])
async def test_publish_append_update_delete(js, binary):
    await js("open", options=js.options(useBinaryProtocol=binary))
    await js("open", client="b", options=js.options(useBinaryProtocol=not binary))
    await js("subscribe", client="b", channel="c")
    (serial,) = (await js("publish", channel="c", name="n", data="a"))["serials"]
    answers = await js("appendMany", channel="c", serial=serial, pieces=["b", "c"])
    assert [a["versionSerial"] for a in answers] == sorted({a["versionSerial"] for a in answers})
    await js("update", channel="c", serial=serial, data="new")
    await js("remove", channel="c", serial=serial)
    heard = await js("heard", client="b", channel="c", count=5)
    assert [(m["action"], m["data"]) for m in heard] == [
        (CREATE, "a"),
        (APPEND, "b"),
        (APPEND, "c"),
        (UPDATE, "new"),
        (DELETE, "new"),
    ]
    await js("publish", channel="c", bytes=[0, 255])
    assert (await js("heard", client="b", channel="c", count=6))[-1]["data"] == [0, 255]


async def test_history_until_attach_meets_live(js):
    await js("open", options=js.options())
    await js("open", client="b", options=js.options())
    before = [(await js("publish", channel="c", data=str(n)))["serials"][0] for n in range(7)]
    await js("subscribe", client="b", channel="c")
    (live,) = (await js("publish", channel="c", data="live"))["serials"]
    await js("heard", client="b", channel="c", count=1)
    seen = await js("untilAttach", client="b", channel="c", limit=3)
    assert [m["serial"] for m in seen] == before[::-1]
    assert live not in before


async def test_sockets_dropped_in_mid_stream_lose_nothing(js):
    await js("open", options=js.options())
    await js("open", client="b", options=js.options(useBinaryProtocol=False))
    await js("subscribe", client="b", channel="c")
    (serial,) = (await js("publish", channel="c", data=""))["serials"]
    first = await js("id")
    for number in range(10):
        asked = asyncio.ensure_future(
            js(
                "appendMany",
                channel="c",
                serial=serial,
                pieces=[f"{number}.{n} " for n in range(20)],
            )
        )
        await asyncio.wait([asked], timeout=0.01)
        js.running.broker.faults.drop_sockets()
        await asked
    assert await js("id") == first
    await js("publish", channel="c", data="end")
    expected = "".join(f"{number}.{n} " for number in range(10) for n in range(20))
    async with asyncio.timeout(20):
        while (
            "end"
            not in (known := fold(await js("heard", client="b", channel="c", count=1))).values()
        ):
            pass
    assert known[serial] == expected


async def test_presence_and_tokens(js):
    claims = {"iat": 1, "exp": 2**33, "x-ably-clientId": "agent", "ably.channel.*": "claimed"}
    token = sign_jwt(claims, key_name="app.key", secret="secret")
    await js("open", options=js.options(token=token))
    await js("open", client="b", options=js.options())
    await js("enter", channel="c", data="online")
    assert await js("members", client="b", channel="c") == [["agent", "online"]]
    await js(
        "authorize", token=sign_jwt(claims | {"jti": "x"}, key_name="app.key", secret="secret")
    )
    assert await js("members", client="b", channel="c") == [["agent", "online"]]
    await js("subscribe", client="b", channel="c")
    await js("publish", channel="c", data="x")
    (message,) = await js("heard", client="b", channel="c", count=1)
    assert (message["clientId"], message["extras"]) == ("agent", {"userClaim": "claimed"})


async def test_rewind_and_annotations(js):
    await js("open", options=js.options(clientId="me"))
    serials = [(await js("publish", channel="c", data=str(n)))["serials"][0] for n in range(4)]
    await js("append", channel="c", serial=serials[-1], data="!")
    await js("open", client="b", options=js.options())
    options = {"params": {"rewind": "2"}}
    await js("subscribe", client="b", channel="c", options=options)
    heard = await js("heard", client="b", channel="c", count=2)
    assert [(m["action"], m["data"]) for m in heard] == [(CREATE, "2"), (UPDATE, "3!")]
    await js("annotate", channel="c", serial=serials[0], type="r:distinct.v1", name="👍")
    (*_, summary) = await js("heard", client="b", channel="c", count=3)
    assert summary["summary"]["r:distinct.v1"]["👍"]["clientIds"] == ["me"]


async def test_refusals_reach_the_caller(js):
    await js("open", options=js.options())
    (serial,) = (await js("publish", channel="plain:x", data="a"))["serials"]
    for op, args, code in (
        ("append", {"channel": "plain:x", "serial": serial, "data": "b"}, 93002),
        ("append", {"channel": "c", "serial": "nope", "data": "b"}, 40400),
        ("subscribe", {"channel": ":bad"}, 40010),
    ):
        with pytest.raises(Exception, match=r".") as caught:
            await js(op, **args)
        assert caught.value.code == code
    failed = await js("open", client="x", options=js.options(key="app.key:wrong"))
    assert failed == {"failed": 40101}


async def test_aggregates_and_conflation(js):
    js.running.broker.faults.update(FaultSettings(aggregates=2, conflate=3))
    await js("open", options=js.options())
    await js("open", client="b", options=js.options())
    await js("subscribe", client="b", channel="c")
    (serial,) = (await js("publish", channel="c", data=""))["serials"]
    await js("appendMany", channel="c", serial=serial, pieces=[str(n) for n in range(10)])
    await js("publish", channel="c", data="end")
    async with asyncio.timeout(20):
        while (
            "end"
            not in (known := fold(await js("heard", client="b", channel="c", count=1))).values()
        ):
            pass
    assert known[serial] == "0123456789"


@pytest.mark.parametrize("binary", [False, True])
async def test_both_sdks_hear_each_other(js, binary):
    python = AblyRealtime(
        key="app.key:secret", endpoint=js.running.endpoint, tls=False, use_binary_protocol=binary
    )
    heard: asyncio.Queue[Message] = asyncio.Queue()
    channel = python.channels.get("c")
    await channel.subscribe(heard.put_nowait)
    await js("open", options=js.options(useBinaryProtocol=not binary))
    await js("subscribe", channel="c")
    (serial,) = (await js("publish", channel="c", data="from js"))["serials"]
    async with asyncio.timeout(10):
        assert (await heard.get()).data == "from js"
    await channel.append_message(Message(serial=serial, data=" and python"))
    await channel.publish("n", {"a": [1, None]})
    await channel.publish("n", b"\x00\xff")
    seen = await js("heard", channel="c", count=4)
    assert [m["data"] for m in seen[1:]] == [" and python", {"a": [1, None]}, [0, 255]]
    await python.close()


async def test_over_tls_with_a_certificate_of_the_tests_own(run_peer, tmp_path, monkeypatch):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = [str(tmp_path / name) for name in ("authority.pem", "cert.pem", "key.pem")]
    authority.cert_pem.write_to_path(files[0])
    issued.cert_chain_pems[0].write_to_path(files[1])
    issued.private_key_pem.write_to_path(files[2])
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", files[0])
    async with serve_broker([KEY], certificate=(files[1], files[2])) as running:
        async with run_peer("peer.mjs") as js:
            options = {"key": KEY, "endpoint": running.host, "tlsPort": running.port}
            assert "id" in await js.call("open", options=options)
            await js.call("subscribe", channel="c")
            await js.call("publish", channel="c", data="over wss")
            (heard,) = await js.call("heard", channel="c", count=1)
            assert heard["data"] == "over wss"
            got = await js.call("rest", options=options, path="/channels/c/messages")
            assert got["status"] == 200
            await js.call("closeAll")

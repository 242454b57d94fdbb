"""TLS with a certificate of the test's own, and the real SDK that is told to trust its maker."""

from __future__ import annotations

import ssl

import anyio
import pytest
import trustme
from ably import AblyRealtime
from websockets.asyncio.client import connect

from chat_transport.broker import serve_broker

pytestmark = pytest.mark.anyio
KEY = "app.key:secret"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate and its key for 127.0.0.1, trusted by who starts from here."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")


async def test_the_sdk_publishes_and_reads_history_over_tls(certificate):
    with anyio.fail_after(20):
        async with serve_broker([KEY], certificate=certificate) as running:
            assert running.url.startswith("https://")
            client = AblyRealtime(key=KEY, endpoint=running.endpoint)  # TLS, and a key over REST
            channel = client.channels.get("c")
            await channel.publish("n", "over wss")
            page = await channel.history()
            assert [m.data for m in page.items] == ["over wss"]
            assert client.connection.state.value == "connected"
            await client.close()


async def test_who_does_not_know_the_authority_does_not_connect(certificate, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with anyio.fail_after(20):
        async with serve_broker([KEY], certificate=certificate) as running:
            with pytest.raises(ssl.SSLCertVerificationError):
                await connect(f"wss://{running.address}/?v=5&key={KEY}")


async def test_a_key_of_another_certificate_is_refused(certificate, tmp_path):
    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    with pytest.raises(ValueError, match="unable to use certificate"):
        async with serve_broker([KEY], certificate=(certificate[0], str(tmp_path / "other.pem"))):
            pass

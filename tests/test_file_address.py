from __future__ import annotations

from collections.abc import Sequence

import pytest

from chat_transport.errors import LocalProtocolError
from chat_transport.file_address import FileAddress, check_public, file_address, look_up

pytestmark = pytest.mark.anyio

NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_outside_the_public_network_is_refused_however_it_is_written(address: str):
    with pytest.raises(LocalProtocolError, match="is not a public one"):
        check_public(address, host="h")


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_taken(address: str):
    check_public(address, host="h")


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0", "[::1]"])
async def test_a_number_that_the_system_reads_as_an_address_is_checked_as_that(host: str):
    with pytest.raises(LocalProtocolError, match="is not a public one"):
        await file_address(f"https://{host}/a")


def told(*addresses: str):
    async def resolve(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return addresses

    asked: list[tuple[str, int]] = []
    return resolve, asked


async def test_one_private_address_among_public_ones_is_enough():
    resolve, _ = told("8.8.8.8", "10.0.0.1")
    with pytest.raises(LocalProtocolError, match=r"its address 10\.0\.0\.1"):
        await file_address("https://h/a", resolve=resolve)
    found = await file_address("https://h/a", resolve=resolve, allows_private=True)
    assert found.addresses == ("8.8.8.8", "10.0.0.1")


async def test_a_host_is_looked_up_once_and_each_address_kept_once():
    resolve, asked = told("8.8.8.8", "8.8.4.4", "8.8.8.8")
    url = "https://ann:secret@B\u00fccher.example:8443/a%2Fb?c=d#e"
    found = await file_address(url, resolve=resolve)
    assert asked == [("xn--bcher-kva.example", 8443)]
    assert found == FileAddress(
        url=url, host="xn--bcher-kva.example", port=8443, addresses=("8.8.8.8", "8.8.4.4")
    )
    assert found.host_header == "xn--bcher-kva.example:8443"
    assert found.at("8.8.8.8") == "https://8.8.8.8:8443/a%2Fb?c=d"


async def test_addresses_of_six_words_stand_in_brackets():
    resolve, _ = told("2606:4700::1111")
    found = await file_address("https://[2606:4700::1111]/a", resolve=resolve)
    assert found.host_header == "[2606:4700::1111]"
    assert found.at("2606:4700::1111") == "https://[2606:4700::1111]:443/a"


async def test_a_host_that_is_not_found_is_told():
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(LocalProtocolError, match="unable to find host 'h' of a file: no such name"):
        await file_address("https://h/a", resolve=resolve)
    with pytest.raises(LocalProtocolError, match="it has no address"):
        await file_address("https://h/a", resolve=told()[0])


@pytest.mark.parametrize("url", ["https://h:99999/", "https://[h/", "https://\u00fc..example/"])
async def test_a_url_that_cannot_be_read_is_told(url: str):
    with pytest.raises(LocalProtocolError, match="unable to read address"):
        await file_address(url, resolve=told("8.8.8.8")[0])


async def test_the_system_knows_this_machine():
    assert "127.0.0.1" in await look_up("127.0.0.1", 443)

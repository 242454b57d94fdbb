from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


def post(url: str, body: Any) -> int:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_channels_outlive_the_broker_in_a_file(start: Callable[..., Any], tmp_path: Path):
    data = str(tmp_path / "channels.db")
    arguments = ("broker", "--port", "0", "--key", "app.key:secret", "--data", data)
    first = start(*arguments)
    where = first.ready().removeprefix("http://")
    opener = urllib.request.build_opener(_basic(f"http://{where}"))
    urllib.request.install_opener(opener)
    assert post(f"http://{where}/channels/kept/messages", {"name": "n", "data": "hello"}) == 201
    assert first.end() == (0, "")
    again = start(*arguments)
    where = again.ready().removeprefix("http://")
    urllib.request.install_opener(urllib.request.build_opener(_basic(f"http://{where}")))
    assert [m["data"] for m in get(f"http://{where}/channels/kept/messages")] == ["hello"]


def _basic(address: str) -> urllib.request.BaseHandler:
    passwords = urllib.request.HTTPPasswordMgrWithPriorAuth()
    passwords.add_password(None, address, "app.key", "secret", is_authenticated=True)
    return urllib.request.HTTPBasicAuthHandler(passwords)


def test_a_file_that_cannot_be_used_is_one_sentence(refused: Callable[..., str]):
    assert "unable to open" in refused("broker", "--port", "0", "--data", "/nowhere/x.db")

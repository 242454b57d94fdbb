"""Files as OpenAI and its kin take them. Rule: pure; an address is passed on, never fetched."""

from __future__ import annotations

from typing import Any, TypeAlias

from chat_transport.errors import LocalProtocolError
from chat_transport.prompt import File

__all__ = ["chat_file", "responses_file"]

JSON: TypeAlias = Any  # any JSON value

_SOUNDS = {"audio/wav": "wav", "audio/mp3": "mp3", "audio/mpeg": "mp3"}


def responses_file(file: File, index: int, provider: str, message_id: str) -> dict[str, JSON]:
    """Give a file as an input item of the Responses API.

    Args:
        file: The file.
        index: Its place in the message; names it if it has no name.
        provider: Whose reference counts.
        message_id: For the error message.

    Raises:
        LocalProtocolError: If the API does not take this kind of file.
    """
    detail = file.options.get(provider, {}).get("imageDetail")
    image = {"type": "input_image"} | ({"detail": detail} if detail is not None else {})
    reference = file.references.get(provider)
    if reference is not None:
        if file.kind == "image":
            return image | {"file_id": reference}
        return {"type": "input_file", "file_id": reference}
    if file.kind == "image":
        return image | {"image_url": file.url}
    if not file.is_inline:
        return {"type": "input_file", "file_url": file.url}
    if file.media_type != "application/pdf":
        raise _refused(file, message_id, "the Responses API", "an image, a PDF or a file id")
    return {
        "type": "input_file",
        "filename": file.filename or f"part-{index}.pdf",
        "file_data": f"data:{file.media_type};base64,{file.base64()}",
    }


def chat_file(
    file: File, index: int, provider: str, message_id: str, *, compatible: bool
) -> dict[str, JSON]:
    """Give a file as a content part of Chat Completions.

    Args:
        file: The file.
        index: Its place in the message; names it if it has no name.
        provider: Whose reference counts.
        message_id: For the error message.
        compatible: The server is not OpenAI's: text goes inline, video by its own part.

    Raises:
        LocalProtocolError: If the API does not take this kind of file.
    """
    reference = file.references.get(provider)
    if reference is not None:
        return {"type": "file", "file": {"file_id": reference}}
    if file.kind == "image":
        detail = file.options.get(provider, {}).get("imageDetail")
        image = {"url": file.url} | ({"detail": detail} if detail is not None else {})
        return {"type": "image_url", "image_url": image}
    if compatible and file.kind == "video":
        return {"type": "video_url", "video_url": {"url": file.url}}
    if compatible and file.kind == "text":
        text = file.data().decode("utf-8", "replace") if file.is_inline else file.url
        return {"type": "text", "text": text}
    takes = "an image, wav or mp3 sound, or a PDF"
    if not file.is_inline:
        raise _refused(file, message_id, "Chat Completions by address", f"{takes} as a data URL")
    sound = _SOUNDS.get(file.media_type)
    if sound is not None:
        return {"type": "input_audio", "input_audio": {"data": file.base64(), "format": sound}}
    if file.media_type != "application/pdf":
        raise _refused(file, message_id, "Chat Completions", takes)
    name = file.filename or ("document.pdf" if compatible else f"part-{index}.pdf")
    return {
        "type": "file",
        "file": {"filename": name, "file_data": f"data:application/pdf;base64,{file.base64()}"},
    }


def _refused(file: File, message_id: str, where: str, takes: str) -> LocalProtocolError:
    return LocalProtocolError(
        f"unable to send file {file.filename or ''!r} ({file.media_type}) of message "
        f"{message_id!r}; {where} does not take it: use {takes}"
    )

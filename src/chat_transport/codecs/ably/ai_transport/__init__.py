"""The wire of `@ably/ai-transport` 0.8: encoders for both ends, decoder, conversation."""

from __future__ import annotations

from .branches import Branches
from .changes import Cancel, Change, RunView, Trigger
from .conversation import Conversation, Entry, PendingCall, UIChange
from .input_encoder import EncodedInput, InputEncoder
from .prompt import PromptPolicy
from .run_encoder import RunEncoder, RunIdentity, ui_run_encoder

__all__ = [
    "Branches",
    "Cancel",
    "Change",
    "Conversation",
    "EncodedInput",
    "Entry",
    "InputEncoder",
    "PendingCall",
    "PromptPolicy",
    "RunEncoder",
    "RunIdentity",
    "RunView",
    "Trigger",
    "UIChange",
    "ui_run_encoder",
]

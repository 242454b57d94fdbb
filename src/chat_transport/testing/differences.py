"""Where our adapters differ from the AI SDK 7.0.173 on purpose: the one list, with reasons.

Rule: a difference is a pure function on two lists of chunks in wire form (`_settlements`); it may
only take away what its reason names, and only where the recording shows that the reason holds.
A recording that is equal only after some of these is a listed difference.
Each is asked for by a paragraph of the adapters' specification; whatever is not, equals the AI SDK.
With an adapter's `compat="ai-sdk"` most are gone: the runner replays such a recording with the
option and counts it as "equal with option". What stays is how a stream ends that broke or failed
(`closes-open-parts`, `says-interrupted`, `errors-...`) and our words for broken input.
By default an adapter keeps to the reasons here. A part is closed with the option too: a stream that
breaks the grammar is not on offer.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import _chat_settlements as chat
from . import _settlements as settle
from ._settlements import Settle

__all__ = ["DIFFERENCES", "Difference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One deliberate difference.

    Attributes:
        name: Shown for each recording that it settles.
        reason: Why we differ.
        paragraph: Of the adapters' specification (`providers.md`) that asks for it.
        settle: Say ours as the AI SDK does, given the golden chunks; unchanged where the reason is
            not there.
    """

    name: str
    reason: str
    paragraph: str
    settle: Settle


DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        name="own-words-for-broken-input",
        paragraph="2.6",
        reason="input that is not JSON is said to be so in our words; the AI SDK gives those of "
        "JavaScript's parser",
        settle=settle.broken_input,
    ),
    Difference(
        name="closes-open-parts",
        paragraph="17.1",
        reason="a part that is open when the stream breaks is ended; the AI SDK leaves it open, "
        "and a client shows it as streaming for ever",
        settle=settle.closings,
    ),
    Difference(
        name="shows-reasoning-text",
        paragraph="17.2",
        reason="reasoning that open-weight models show (`reasoning_text`) is streamed; the AI "
        "SDK's package for OpenAI drops it",
        settle=settle.reasoning_text,
    ),
    Difference(
        name="shows-reasoning-fields",
        paragraph="4 reasoning_content",
        reason="reasoning in `reasoning_content` or `reasoning` is streamed from every server; "
        "the AI SDK's package for OpenAI drops it",
        settle=chat.unread_reasoning,
    ),
    Difference(
        name="shows-reasoning-details",
        paragraph="4 reasoning_details",
        reason="reasoning that is told in `reasoning_details` alone is streamed; the AI SDK's "
        "compatible package drops it",
        settle=chat.detailed_reasoning,
    ),
    Difference(
        name="keeps-reasoning-details",
        paragraph="4 reasoning_details",
        reason="`reasoning_details` with signatures and encrypted parts are kept for the next "
        "request; the AI SDK's compatible package drops them",
        settle=chat.reasoning_details,
    ),
    Difference(
        name="ends-without-reason",
        paragraph="4 finish_reason",
        reason="a stream that says `[DONE]` but no finish reason (Snowflake) is complete; the AI "
        "SDK's compatible package makes it an error, its others leave the reason open",
        settle=chat.no_finish_reason,
    ),
    Difference(
        name="says-interrupted",
        paragraph="2.3",
        reason="a stream that ends without its terminal event is `interrupted` for every provider; "
        "older packages of the AI SDK say `other`, and Anthropic's, if there were no words yet, "
        "that nothing was said",
        settle=settle.interrupted,
    ),
    Difference(
        name="errors-stand-alone",
        paragraph="2.1",
        reason="an error before any output stands alone, as it does for OpenAI; the AI SDK's "
        "packages for Gemini, xAI and open servers put a step around it",
        settle=settle.error_alone,
    ),
    Difference(
        name="errors-are-the-reason",
        paragraph="2.1",
        reason="a reply that had an error finishes with `error`, whatever the provider says after "
        "it; the AI SDK takes the last word",
        settle=settle.error_reason,
    ),
    Difference(
        name="maps-more-reasons",
        paragraph="17.11",
        reason="Gemini's newer finish reasons (`LANGUAGE`, `UNEXPECTED_TOOL_CALL`, ...) are told "
        "as what they are; the AI SDK says `other`",
        settle=settle.more_reasons,
    ),
    Difference(
        name="maps-every-reason",
        paragraph="4 finish_reason",
        reason="each finish reason of Chat Completions means the same from every server; the AI "
        "SDK's packages for Mistral, DeepSeek and Perplexity call some of them `other`",
        settle=chat.every_reason,
    ),
    Difference(
        name="images-are-files",
        paragraph="17.5",
        reason="an image that a tool made is also a `file`, and partial images are marked "
        "preliminary as the protocol says; the AI SDK gives the tool's output alone, unmarked",
        settle=settle.images,
    ),
    Difference(
        name="failed-mcp-calls-fail",
        paragraph="17.4",
        reason="a call of an MCP server that failed is `tool-output-error`; the AI SDK gives it as "
        "an output",
        settle=settle.failed_mcp,
    ),
    Difference(
        name="shows-executed-tools",
        paragraph="4 executed_tools",
        reason="tools that Groq's compound models have run are shown; the AI SDK drops them",
        settle=chat.executed_tools,
    ),
    Difference(
        name="shows-sources",
        paragraph="4 annotations",
        reason="pages that a compatible server cites are sources; the AI SDK drops them",
        settle=chat.sources,
    ),
    Difference(
        name="first-choice-only",
        paragraph="4 choices",
        reason="of several choices only the first is read; the AI SDK mixes the words of all",
        settle=chat.first_choice,
    ),
    Difference(
        name="keeps-audio-and-functions",
        paragraph="17.3",
        reason="speech and the older `function_call` are given; the AI SDK loses them",
        settle=chat.lost_content,
    ),
    Difference(
        name="keeps-unknown-fields",
        paragraph="5 code execution results",
        reason="a provider's tool output keeps fields that the AI SDK's schema does not know yet",
        settle=settle.unknown_fields,
    ),
)

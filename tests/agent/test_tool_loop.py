"""The tool loop, with a model that follows a script."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anyio
import pytest

from chat_transport.agent.approvals import ApprovalSigner
from chat_transport.agent.run import Run, RunEnd, RunRequest, User
from chat_transport.agent.runtime import Agent
from chat_transport.agent.tool_loop import StepEnd, ToolLoop
from chat_transport.agent.tools import Tool, ToolContext, ToolError, client_tool, tool
from chat_transport.chunks import (
    Error,
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputError,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelAdapter, ModelSettings, ProviderTool, ToolSpec

pytestmark = pytest.mark.anyio
PROMPT = UIMessage.user("hi", id="u1")
ADA = User(id="ada")


class Scripted(ModelAdapter):
    """Plays one step of the script at each call, and notes what it was given."""

    def __init__(self, *steps: Sequence[UIMessageChunk]) -> None:
        self.steps = list(steps)
        self.calls: list[tuple[Sequence[UIMessage], list[str]]] = []

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        self.calls.append((messages, [item.name for item in tools]))
        for chunk in self.steps.pop(0):
            yield chunk


def calling(*calls: tuple[str, str, Any], tokens: int = 1) -> list[UIMessageChunk]:
    asked = [
        ToolInputAvailable(tool_call_id=call_id, tool_name=name, input=value)
        for call_id, name, value in calls
    ]
    usage = {"usage": {"tokens": tokens, "detail": {"cached": 1}}}
    finish = Finish(finish_reason="tool-calls", message_metadata=usage)
    return [StartStep(), *asked, FinishStep(), finish]


def saying(text: str, tokens: int = 1) -> list[UIMessageChunk]:
    usage = {"usage": {"tokens": tokens, "detail": {"cached": 1}}}
    return [
        StartStep(),
        TextStart(id="t"),
        TextDelta(id="t", delta=text),
        TextEnd(id="t"),
        FinishStep(),
        Finish(finish_reason="stop", message_metadata=usage),
    ]


async def play(
    loop: Callable[[Run], AsyncIterator[UIMessageChunk]],
    messages: Sequence[UIMessage] = (PROMPT,),
    user: User = ADA,
) -> tuple[list[UIMessageChunk], RunEnd]:
    with anyio.fail_after(5):
        async with Agent(loop) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=messages, user=user))
            chunks = [chunk async for chunk in run.log.stream()]
            return chunks, await run.wait()


def outputs(chunks: Sequence[UIMessageChunk]) -> list[UIMessageChunk]:
    kinds = ToolOutputAvailable | ToolOutputError | ToolOutputDenied
    return [chunk for chunk in chunks if isinstance(chunk, kinds)]


def answered(message: UIMessage, *, approved: bool = True, **changed: Any) -> UIMessage:
    wire = message.to_wire()
    for part in wire["parts"]:
        if part.get("state") == "approval-requested":
            approval = {**part["approval"], "approved": approved}
            part.update({"state": "approval-responded", "approval": approval, **changed})
    return UIMessage.model_validate(wire)


@tool
async def weather(city: str) -> dict[str, Any]:
    """Tell the weather."""
    return {"city": city, "degrees": 7}


async def test_a_tool_runs_and_the_model_sees_its_output() -> None:
    model = Scripted(calling(("c1", "weather", {"city": "Oslo"})), saying("7 degrees"))
    chunks, end = await play(ToolLoop(model, [weather]))
    assert [chunk.type for chunk in chunks] == [
        "start",
        "start-step",
        "tool-input-available",
        "tool-output-available",
        "finish-step",
        "message-metadata",
        "start-step",
        "text-start",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ]
    output = {"city": "Oslo", "degrees": 7}
    assert outputs(chunks) == [ToolOutputAvailable(tool_call_id="c1", output=output)]
    assert model.calls[0] == ((PROMPT,), ["weather"])
    seen = model.calls[1][0]
    assert seen[0] == PROMPT
    assert seen[1].parts[1].output == output  # type: ignore[union-attr]
    assert (end.response_message.text, end.finish_reason) == ("7 degrees", "stop")
    assert not end.suspended


async def test_usage_is_summed_and_each_step_is_reported() -> None:
    reports: list[StepEnd] = []

    async def note(step: StepEnd) -> None:
        reports.append(step)

    model = Scripted(calling(("c1", "weather", {"city": "x"}), tokens=3), saying("y", tokens=4))
    _chunks, end = await play(ToolLoop(model, [weather], on_step=note))
    assert end.usage == {"tokens": 7, "detail": {"cached": 2}}
    assert [(step.number, step.finish_reason, step.tool_calls) for step in reports] == [
        (1, "tool-calls", 1),
        (2, "stop", 0),
    ]
    assert [step.usage["tokens"] for step in reports] == [3, 4]


async def test_tools_of_one_step_run_at_once() -> None:
    both = {"a": anyio.Event(), "b": anyio.Event()}

    @tool
    async def meet(me: str, other: str) -> str:
        both[me].set()
        await both[other].wait()
        return me

    model = Scripted(
        calling(("1", "meet", {"me": "a", "other": "b"}), ("2", "meet", {"me": "b", "other": "a"})),
        saying("met"),
    )
    chunks, _end = await play(ToolLoop(model, [meet]))
    assert sorted(chunk.output for chunk in outputs(chunks)) == ["a", "b"]  # type: ignore[union-attr]


async def test_a_plain_function_runs_in_a_thread() -> None:
    @tool
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    chunks, _end = await play(ToolLoop(Scripted(calling(("1", "where", {})), saying("")), [where]))
    assert outputs(chunks) == [ToolOutputAvailable(tool_call_id="1", output=False)]


async def test_a_generators_values_are_shown_as_they_come() -> None:
    @tool
    async def count(to: int) -> AsyncIterator[int]:
        for number in range(to):
            yield number

    model = Scripted(calling(("1", "count", {"to": 2})), saying(""))
    chunks, _end = await play(ToolLoop(model, [count]))
    assert outputs(chunks) == [
        ToolOutputAvailable(tool_call_id="1", output=0, preliminary=True),
        ToolOutputAvailable(tool_call_id="1", output=1, preliminary=True),
        ToolOutputAvailable(tool_call_id="1", output=1),
    ]


async def test_the_context_tells_run_and_user_but_not_the_model() -> None:
    @tool
    async def whoami(context: ToolContext) -> list[str | None]:
        return [context.user.id, context.run.chat_id, context.tool_call_id, context.tool_name]

    model = Scripted(calling(("1", "whoami", {})), saying(""))
    chunks, _end = await play(ToolLoop(model, [whoami]))
    assert outputs(chunks)[0].output == ["ada", "chat", "1", "whoami"]  # type: ignore[union-attr]


@tool
async def fail(how: str) -> Any:
    if how == "said":
        raise ToolError("no such city")
    if how == "timeout":
        raise TimeoutError("of its own")
    if how == "json":
        return object()
    raise ValueError("password is 1234")


@pytest.mark.parametrize(
    ("tool_input", "text"),
    [
        ({"how": "said"}, "no such city"),
        ({"how": "crash"}, "the tool failed: ValueError"),
        ({"how": "timeout"}, "the tool failed: TimeoutError"),
        ({"how": "json"}, "the tool failed: TypeError"),
        ({}, "the input does not fit: how: Field required"),
        ("nonsense", "the input does not fit: input: Input should be a valid dictionary"),
    ],
)
async def test_a_failure_is_told_to_the_model(tool_input: Any, text: str) -> None:
    model = Scripted(calling(("1", "fail", tool_input)), saying("sorry"))
    chunks, end = await play(ToolLoop(model, [fail]))
    (said,) = outputs(chunks)
    assert isinstance(said, ToolOutputError)
    assert said.error_text.startswith(text)
    assert end.response_message.text == "sorry"


async def test_error_text_may_say_more() -> None:
    model = Scripted(calling(("1", "fail", {"how": "crash"})), saying(""))
    chunks, _end = await play(ToolLoop(model, [fail], error_text=repr))
    assert outputs(chunks)[0].error_text == "ValueError('password is 1234')"  # type: ignore[union-attr]


async def test_a_tool_that_takes_too_long_is_cut() -> None:
    @tool(timeout_s=0.01)
    async def slow() -> None:
        await anyio.sleep_forever()

    model = Scripted(calling(("1", "slow", {})), saying(""))
    chunks, _end = await play(ToolLoop(model, [slow]))
    assert outputs(chunks)[0].error_text == "the tool took longer than 0.01 s"  # type: ignore[union-attr]


async def test_a_stop_cancels_the_tools_that_run() -> None:
    running, closed = anyio.Event(), anyio.Event()

    @tool
    async def hang() -> None:
        try:
            running.set()
            await anyio.sleep_forever()
        finally:
            closed.set()

    with anyio.fail_after(5):
        async with Agent(ToolLoop(Scripted(calling(("1", "hang", {}))), [hang])) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=[PROMPT]))
            await running.wait()
            run.stop()
            end = await run.wait()
    assert closed.is_set()
    assert end.reason == "cancelled"
    assert end.response_message.parts[1].state == "output-error"  # type: ignore[union-attr]


async def test_an_unknown_tool_is_told_to_the_model() -> None:
    model = Scripted(calling(("1", "fly", {})), saying("ok"))
    chunks, _end = await play(ToolLoop(model, [weather]))
    text = "there is no tool named 'fly'"
    assert outputs(chunks) == [ToolOutputError(tool_call_id="1", error_text=text)]


async def test_an_input_that_the_adapter_refused_goes_back_to_the_model() -> None:
    bad = ToolInputError(tool_call_id="1", tool_name="weather", input="{", error_text="bad JSON")
    model = Scripted([StartStep(), bad, FinishStep(), Finish()], saying("again"))
    _chunks, end = await play(ToolLoop(model, [weather]))
    assert (len(model.calls), end.response_message.text) == (2, "again")


async def test_a_providers_own_call_is_left_alone() -> None:
    call = ToolInputAvailable(
        tool_call_id="1", tool_name="search", input={}, provider_executed=True
    )
    result = ToolOutputAvailable(tool_call_id="1", output=[], provider_executed=True)
    model = Scripted([StartStep(), call, result, FinishStep(), Finish(finish_reason="stop")])
    chunks, end = await play(ToolLoop(model, [ProviderTool(id="p.search", name="search")]))
    assert len(outputs(chunks)) == 1
    assert model.calls[0][1] == ["search"]
    assert not end.suspended


async def test_steps_are_bounded() -> None:
    again = [calling((str(number), "weather", {"city": "x"})) for number in range(5)]
    chunks, end = await play(ToolLoop(Scripted(*again), [weather], max_steps=3))
    assert len(outputs(chunks)) == 3
    assert (end.reason, end.finish_reason, end.suspended) == ("complete", "tool-calls", False)


async def test_an_error_of_the_model_ends_the_loop() -> None:
    model = Scripted([StartStep(), Error(error_text="busy"), FinishStep(), Finish()])
    chunks, end = await play(ToolLoop(model, [weather]))
    assert chunks[-1] == Error(error_text="busy")
    assert end.reason == "error"


async def test_without_an_agent_it_says_so() -> None:
    run = Run(
        run_id="r",
        chat_id="c",
        messages=(),
        trigger="submit-message",
        message_id=None,
        response_message_id="m",
        user=ADA,
        metadata={},
    )
    with pytest.raises(LocalProtocolError, match="use an Agent"):
        await anext(ToolLoop(Scripted())(run))


# ── clients and people ───────────────────────────────────────────────────────────────────────────


async def test_a_client_side_call_ends_the_reply_and_its_output_goes_on() -> None:
    model = Scripted(calling(("1", "pick", {}), ("2", "weather", {"city": "x"})), saying("blue"))
    loop = ToolLoop(model, [client_tool("pick"), weather])
    chunks, end = await play(loop)
    assert end.suspended
    assert end.finish_reason == "tool-calls"
    assert [chunk.tool_call_id for chunk in outputs(chunks)] == ["2"]  # type: ignore[union-attr]
    wire = end.response_message.to_wire()
    wire["parts"][1].update({"state": "output-available", "output": "blue"})
    _chunks, again = await play(loop, (PROMPT, UIMessage.model_validate(wire)))
    assert again.response_message.text == "blue"
    assert again.response_message.id == end.response_message.id


SENT: list[str] = []


def sender(**settings: Any) -> Tool:
    SENT.clear()

    async def send_email(to: str) -> str:
        SENT.append(to)
        return "sent"

    return tool(**{"approval": "always", **settings})(send_email)


ASK = ("1", "send_email", {"to": "bob"})


@pytest.fixture
def signer() -> ApprovalSigner:
    return ApprovalSigner(b"0123456789abcdef")


async def test_a_call_waits_for_approval_and_then_runs_also_after_a_restart(
    signer: ApprovalSigner,
) -> None:
    chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
    assert [chunk.type for chunk in chunks][2:] == [
        "tool-input-available",
        "tool-approval-request",
        "finish-step",
        "finish",
    ]
    assert end.suspended
    assert SENT == []

    restarted = ToolLoop(Scripted(saying("done")), [sender()], signer=signer)
    chunks, end = await play(restarted, (PROMPT, answered(end.response_message)))
    assert SENT == ["bob"]
    assert [chunk.type for chunk in chunks][:3] == ["start", "tool-output-available", "start-step"]
    call = end.response_message.parts[1]
    assert (call.state, call.output) == ("output-available", "sent")  # type: ignore[union-attr]
    assert end.response_message.text == "done"


async def test_a_refusal_runs_nothing_and_is_told_to_the_model(signer: ApprovalSigner) -> None:
    _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
    model = Scripted(saying("fine"))
    refused = answered(end.response_message, approved=False)
    chunks, end = await play(ToolLoop(model, [sender()], signer=signer), (PROMPT, refused))
    assert outputs(chunks) == [ToolOutputDenied(tool_call_id="1")]
    assert SENT == []
    assert model.calls[0][0][-1].parts[1].state == "output-denied"  # type: ignore[union-attr]
    assert end.response_message.text == "fine"


@pytest.mark.parametrize(
    "forged",
    [{"input": {"to": "evil"}}, {"toolCallId": "2"}, {"type": "tool-other"}],
)
async def test_an_approval_for_another_call_runs_nothing(
    signer: ApprovalSigner, forged: dict[str, Any]
) -> None:
    _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
    other = tool(name="other")(lambda: None)
    loop = ToolLoop(Scripted(saying("no")), [sender(), other], signer=signer)
    chunks, _end = await play(loop, (PROMPT, answered(end.response_message, **forged)))
    (said,) = outputs(chunks)
    assert said.error_text == "the approval was not given for this call"  # type: ignore[union-attr]
    assert SENT == []


async def test_an_approval_from_another_chat_runs_nothing(signer: ApprovalSigner) -> None:
    _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
    loop = ToolLoop(Scripted(saying("no")), [sender()], signer=signer)
    with anyio.fail_after(5):
        async with Agent(loop) as agent:
            messages = (PROMPT, answered(end.response_message))
            await agent.start(RunRequest(chat_id="another", messages=messages)).wait()
    assert SENT == []


async def test_an_approval_by_someone_who_may_not_is_asked_for_again(
    signer: ApprovalSigner,
) -> None:
    boss_only = sender(may_approve=lambda user: user.id == "boss")
    _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [boss_only], signer=signer))
    loop = ToolLoop(Scripted(saying("done")), [boss_only], signer=signer)
    by_ada = (PROMPT, answered(end.response_message))
    chunks, end = await play(loop, by_ada)
    assert [chunk.type for chunk in chunks] == ["start", "tool-approval-request", "finish"]
    assert end.suspended
    assert SENT == []
    by_boss = (PROMPT, answered(end.response_message))
    _chunks, end = await play(loop, by_boss, user=User(id="boss"))
    assert SENT == ["bob"]


async def test_an_approved_call_runs_once_even_if_asked_for_twice(signer: ApprovalSigner) -> None:
    _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
    loop = ToolLoop(Scripted(saying("a"), saying("b")), [sender()], signer=signer)
    messages = (PROMPT, answered(end.response_message))
    await play(loop, messages)
    chunks, _end = await play(loop, messages)
    assert SENT == ["bob"]
    assert outputs(chunks)[0].error_text == "the approved call was run before"  # type: ignore[union-attr]


async def test_a_predicate_decides_on_the_checked_input() -> None:
    async def is_far(tool_input: Any, context: ToolContext) -> bool:
        return tool_input["to"] != context.user.id

    asked = [("1", "send_email", {"to": "ada"}), ("2", "send_email", {"to": "bob"})]
    invalid = ("3", "send_email", {})
    loop = ToolLoop(Scripted(calling(*asked, invalid)), [sender(approval=is_far)])
    chunks, end = await play(loop)
    assert SENT == ["ada"]
    assert end.suspended
    waiting = [chunk for chunk in chunks if chunk.type == "tool-approval-request"]
    assert [chunk.tool_call_id for chunk in waiting] == ["2"]  # type: ignore[attr-defined]


async def test_while_one_call_waits_the_model_is_not_asked() -> None:
    asked = [ASK, ("2", "send_email", {"to": "eve"})]
    _chunks, end = await play(ToolLoop(Scripted(calling(*asked)), [sender()]))
    wire = answered(end.response_message).to_wire()
    wire["parts"][2].update({"state": "approval-requested"})
    del wire["parts"][2]["approval"]["approved"]
    model = Scripted()
    _chunks, end = await play(ToolLoop(model, [sender()]), (PROMPT, UIMessage.model_validate(wire)))
    assert SENT == ["bob"]
    assert model.calls == []
    assert end.suspended


@pytest.mark.parametrize(
    ("state", "text"),
    [("input-available", "interrupted before it finished"), ("approval-responded", "there is no")],
)
async def test_calls_that_nobody_can_finish_are_closed(state: str, text: str) -> None:
    name = "weather" if state == "input-available" else "gone"
    call = {
        "type": f"tool-{name}",
        "toolCallId": "1",
        "state": state,
        "input": {"city": "x"},
        "approval": {"id": "a", "approved": True},
    }
    message = UIMessage.model_validate({"id": "m", "role": "assistant", "parts": [call]})
    chunks, _end = await play(ToolLoop(Scripted(saying("x")), [weather]), (PROMPT, message))
    (said,) = outputs(chunks)
    assert isinstance(said, ToolOutputError)
    assert said.error_text.startswith(text)


async def test_a_model_that_closes_no_step_still_gets_its_outputs() -> None:
    call = ToolInputAvailable(tool_call_id="1", tool_name="weather", input={"city": "x"})
    model = Scripted([call], saying("ok"))
    chunks, end = await play(ToolLoop(model, [weather]))
    assert len(outputs(chunks)) == 1
    assert end.response_message.text == "ok"


async def test_outputs_are_shown_while_the_model_still_speaks() -> None:
    ran = anyio.Event()

    @tool
    async def quick() -> str:
        ran.set()
        return "done"

    class Talking(Scripted):
        async def stream(self, *_args: Any, **_settings: Any) -> AsyncIterator[UIMessageChunk]:
            yield StartStep()
            yield ToolInputAvailable(tool_call_id="1", tool_name="quick", input={})
            await ran.wait()
            await anyio.wait_all_tasks_blocked()
            yield TextStart(id="t")
            yield TextEnd(id="t")
            yield FinishStep()
            yield Finish(finish_reason="stop")

    chunks, _end = await play(ToolLoop(Talking(), [quick], max_steps=1))
    kinds = [chunk.type for chunk in chunks]
    assert kinds.index("tool-output-available") < kinds.index("text-end")


async def test_only_the_latest_approved_calls_are_remembered(
    monkeypatch: pytest.MonkeyPatch, signer: ApprovalSigner
) -> None:
    monkeypatch.setattr("chat_transport.agent.tool_loop.ACTED_UPON", 1)
    loop = ToolLoop(Scripted(*[saying("ok")] * 2), [sender()], signer=signer)
    for call_id in ("1", "2"):
        asked = (call_id, "send_email", {"to": call_id})
        _chunks, end = await play(ToolLoop(Scripted(calling(asked)), [sender()], signer=signer))
        SENT.clear()
        await play(loop, (PROMPT, answered(end.response_message)))
        assert [call_id] == SENT
        approval = end.response_message.parts[1].approval  # type: ignore[union-attr]
    assert list(loop._acted_upon) == [("chat", approval.id)]


async def test_an_empty_conversation_is_the_models_business() -> None:
    model = Scripted(saying("hello?"))
    _chunks, end = await play(ToolLoop(model), ())
    assert (model.calls[0][0], end.response_message.text) == ((), "hello?")


async def test_a_call_id_that_comes_again_is_another_call(signer: ApprovalSigner) -> None:
    loop = ToolLoop(Scripted(saying("a"), saying("b")), [sender()], signer=signer)
    for _time in range(2):
        _chunks, end = await play(ToolLoop(Scripted(calling(ASK)), [sender()], signer=signer))
        await play(loop, (PROMPT, answered(end.response_message)))
        assert SENT == ["bob"]


class Interrupted(Scripted):
    """Says something to its own run while each step is under way."""

    def __init__(self, words: Sequence[str], *steps: Sequence[UIMessageChunk]) -> None:
        super().__init__(*steps)
        self.words = list(words)
        self.steer: Callable[[UIMessage], bool] | None = None

    async def stream(
        self,
        messages: Sequence[UIMessage],
        *,
        tools: Sequence[ToolSpec | ProviderTool] = (),
        settings: ModelSettings | None = None,
    ) -> AsyncIterator[UIMessageChunk]:
        async for chunk in super().stream(messages, tools=tools):
            yield chunk
        if self.words:
            assert self.steer is not None
            word = self.words.pop(0)
            assert self.steer(UIMessage.user(word, id=word))


async def steered(model: Interrupted, **options: Any) -> RunEnd:
    with anyio.fail_after(5):
        async with Agent(ToolLoop(model, [weather], **options)) as agent:
            run = agent.start(RunRequest(chat_id="chat", messages=(PROMPT,), user=ADA))
            model.steer = run.steer
            return await run.wait()


async def test_what_the_user_says_meanwhile_reaches_the_model_in_the_next_step() -> None:
    model = Interrupted(
        ["in Kelvin"],
        calling(("c1", "weather", {"city": "Oslo"})),
        calling(("c2", "weather", {"city": "Oslo"})),
        saying("280"),
    )
    end = await steered(model)
    roles = [[message.role for message in seen] for seen, _tools in model.calls]
    assert roles == [
        ["user"],
        ["user", "assistant", "user"],
        ["user", "assistant", "user", "assistant"],
    ]
    last = model.calls[2][0]
    assert last[2].text == "in Kelvin"
    ids = [[part.tool_call_id for part in last[at].parts[1:]] for at in (1, 3)]  # type: ignore[union-attr]
    assert ids == [["c1"], ["c2"]]
    assert end.response_message.text == "280"
    assert [message.role for message in end.messages] == ["user", "assistant"]


async def test_what_is_said_in_the_last_step_is_worth_another_one() -> None:
    model = Interrupted(["really?", "sure?"], saying("no"), saying("yes"), saying("maybe"))
    end = await steered(model)
    assert end.response_message.text == "noyesmaybe"
    assert [message.text for message in model.calls[2][0]] == [
        "hi",
        "no",
        "really?",
        "yes",
        "sure?",
    ]


async def test_what_is_said_in_the_last_step_allowed_is_not_heard() -> None:
    model = Interrupted(["more"], saying("no"), saying("never"))
    end = await steered(model, max_steps=1)
    assert end.response_message.text == "no"
    assert end.run.steers.has_unheard

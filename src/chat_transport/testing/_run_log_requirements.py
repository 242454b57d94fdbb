"""Requirements: where runs are found, followed and stopped."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from .._chunk_log import ChunkLog
from ..chunks import Finish, Start, TextDelta, TextStart, UIMessageChunk
from ..errors import StreamInterrupted
from ..messages import TextPart, UIMessage
from ..transports.http.run_log import LoggedRun, RunLog
from ._stores import RUN_LOG, Open, new_name, requires
from .harness import expect, expect_equal

__all__: list[str] = []

REPLY: Sequence[UIMessageChunk] = (
    Start(message_id="a1"),
    TextStart(id="t"),
    TextDelta(id="t", delta='line\nbreak é 🐙 \u2028 \u0000 \\ " '),
    TextDelta(id="t", delta="\ud83d"),
    TextDelta(id="t", delta="\udc19"),
    Finish(finish_reason="stop"),
)
"""Holds what logs trip over: line breaks, NUL, a surrogate pair in two chunks."""


def _run(chat_id: str | None = None, *, request_key: str | None = None) -> LoggedRun:
    return LoggedRun(
        chat_id=chat_id or new_name("chat:"), run_id=new_name("run"), request_key=request_key
    )


def _ignore(_reason: str | None) -> None:
    return


async def _followed(log: RunLog, run: LoggedRun) -> ChunkLog:
    found = await log.follow(run)
    expect(found is not None, f"run {run.run_id!r} cannot be followed")
    assert found is not None
    return found


async def _read(log: ChunkLog, start: int = 0) -> list[UIMessageChunk]:
    return [chunk async for chunk in log.stream(start)]


@requires(RUN_LOG, "run-unknown", "Runs that nobody started are not found, followed or stopped.")
async def _run_unknown(open_log: Open[RunLog]) -> None:
    run = _run()
    async with open_log() as log:
        expect(await log.find(run.chat_id) is None, "an unknown chat has a run")
        expect(await log.find(run.chat_id, run_id=run.run_id) is None, "an unknown run is found")
        expect(await log.find(run.chat_id, request_key="k") is None, "an unknown key is found")
        expect(await log.follow(run) is None, "an unknown run is followed")
        expect_equal(await log.stop(run.chat_id), 0, "the runs that were stopped")


@requires(RUN_LOG, "run-found", "A run is found by its chat, id and key, with all that is known.")
async def _run_found(open_log: Open[RunLog]) -> None:
    before = UIMessage(id="a1", role="assistant", parts=[TextPart(text="é 🐙 \u0000")])
    run = LoggedRun(
        chat_id=new_name("chat:"),
        run_id=new_name("run"),
        owner="ann",
        request_key="k:1",
        begins_with=before,
    )
    async with open_log() as one, open_log() as two:
        await one.start(run, ChunkLog(run.run_id), _ignore)
        for log in (one, two):
            expect_equal(await log.find(run.chat_id), run, "by its chat")
            expect_equal(await log.find(run.chat_id, run_id=run.run_id), run, "by its id")
            expect_equal(await log.find(run.chat_id, request_key="k:1"), run, "by its key")
            expect(await log.find(new_name("chat"), run_id=run.run_id) is None, "in another chat")


@requires(RUN_LOG, "run-newest", "Of several active runs the newest is found, then the others.")
async def _run_newest(open_log: Open[RunLog]) -> None:
    chat_id = new_name("chat")
    async with open_log() as one, open_log() as two:
        logs: list[tuple[LoggedRun, ChunkLog]] = []
        for _ in range(3):
            run = _run(chat_id)
            logs.append((run, ChunkLog(run.run_id)))
            await one.start(*logs[-1], _ignore)
        for run, log in reversed(logs):
            found = await two.find(chat_id)
            expect_equal(found, run, "the newest active run")
            log.extend(REPLY)
            log.close()
            await _read(await _followed(two, run))
        expect(await two.find(chat_id) is None, "an ended run is active")


@requires(RUN_LOG, "run-live", "What a run says reaches followers in other processes live.")
async def _run_live(open_log: Open[RunLog]) -> None:
    run, log = _run(), ChunkLog()
    async with open_log() as one, open_log() as two:
        await one.start(run, log, _ignore)
        stream = (await _followed(two, run)).stream()
        for chunk in REPLY:
            log.append(chunk)
            expect_equal(await anext(stream), chunk, "the next chunk")
        log.close()
        expect_equal([chunk async for chunk in stream], [], "after the last chunk")


@requires(RUN_LOG, "run-resume", "`all[:k] + resume(k) == all`, for every k, live and after.")
async def _run_resume(open_log: Open[RunLog]) -> None:
    run, log = _run(), ChunkLog()
    async with open_log() as one, open_log() as two:
        await one.start(run, log, _ignore)
        log.extend(REPLY[:3])
        mirror = await _followed(two, run)
        early = [mirror.stream(k) for k in range(len(REPLY) + 1)]
        log.extend(REPLY[3:])
        log.close()
        for k, stream in enumerate(early):
            expect_equal([chunk async for chunk in stream], list(REPLY[k:]), f"from {k}, early")
        for k in range(len(REPLY) + 1):
            late = await _followed(two, run)
            expect_equal(await _read(late, k), list(REPLY[k:]), f"from {k}, late")


@requires(RUN_LOG, "run-long", "A reply of 2,000 chunks arrives whole and in order.")
async def _run_long(open_log: Open[RunLog]) -> None:
    run, log = _run(), ChunkLog()
    said = [TextDelta(id="t", delta=f"{number} ") for number in range(2000)]
    async with open_log() as one, open_log() as two:
        await one.start(run, log, _ignore)
        log.extend(said[:700])
        mirror = await _followed(two, run)
        log.extend(said[700:])
        log.close()
        expect_equal(await _read(mirror), said, "the chunks")


@requires(RUN_LOG, "run-ended", "An ended run is not active, but known by its id and key.")
async def _run_ended(open_log: Open[RunLog]) -> None:
    run, log = _run(request_key="k1"), ChunkLog()
    async with open_log() as one, open_log() as two:
        await one.start(run, log, _ignore)
        log.extend(REPLY)
        log.close()
        await _read(await _followed(two, run))
        expect(await two.find(run.chat_id) is None, "an ended run is active")
        for known in (
            await two.find(run.chat_id, run_id=run.run_id),
            await two.find(run.chat_id, request_key="k1"),
        ):
            expect(known is not None and known.state == "ended", f"the ended run is {known!r}")
        expect_equal(await two.stop(run.chat_id), 0, "the runs that were stopped")


@requires(RUN_LOG, "key-taken-once", "Of the same request to two processes one begins a run.")
async def _key_taken_once(open_log: Open[RunLog]) -> None:
    run, found = _run(request_key="k1"), list[LoggedRun | None]()
    async with open_log() as one, open_log() as two:
        taken = [await log.reserve(run.chat_id, "k1") for log in (one, two, one)]
        expect_equal(taken, [True, False, False], "who took the key")
        await one.give_back(run.chat_id, "k1")
        expect_equal(await two.reserve(run.chat_id, "k1"), True, "a key that was given back")

        async def look(log: RunLog) -> None:
            found.append(await log.find(run.chat_id, request_key="k1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look, one)
            tasks.start_soon(look, two)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            expect_equal(found, [], "the run before it is begun")
            await two.start(run, ChunkLog(run.run_id), _ignore)
        expect_equal(found, [run, run], "the run once it is begun")
        expect_equal(await one.reserve(run.chat_id, "k1"), False, "a key whose run is known")


@requires(RUN_LOG, "run-stop", "Any process can stop one run of a chat, or all, with a reason.")
async def _run_stop(open_log: Open[RunLog]) -> None:
    chat_id = new_name("chat")
    runs = [_run(chat_id) for _ in range(2)]
    stopped: dict[str, tuple[anyio.Event, list[str | None]]] = {
        run.run_id: (anyio.Event(), []) for run in runs
    }

    def stopping(run_id: str, reason: str | None) -> None:
        stopped[run_id][1].append(reason)
        stopped[run_id][0].set()

    async with open_log() as one, open_log() as two:
        for run in runs:

            def stop(reason: str | None, run_id: str = run.run_id) -> None:
                stopping(run_id, reason)

            await one.start(run, ChunkLog(run.run_id), stop)
        first, second = (run.run_id for run in runs)
        expect_equal(await two.stop(chat_id, first, "enough"), 1, "the runs that were asked")
        await stopped[first][0].wait()
        expect_equal((stopped[first][1], stopped[second][1]), (["enough"], []), "the reasons")
        expect_equal(await one.stop(chat_id), 2, "the runs that were asked")
        await stopped[second][0].wait()
        expect_equal(stopped[second][1], [None], "the reasons")


@requires(RUN_LOG, "run-many-followers", "Many followers of a run get the same.")
async def _run_many_followers(open_log: Open[RunLog]) -> None:
    run, log = _run(), ChunkLog()
    got: list[list[UIMessageChunk]] = []
    async with open_log() as one, open_log() as two:
        await one.start(run, log, _ignore)

        async def follow(store: RunLog) -> None:
            got.append(await _read(await _followed(store, run)))

        async with anyio.create_task_group() as tasks:
            for number in range(10):
                tasks.start_soon(follow, two if number % 2 else one)
            for chunk in REPLY:
                log.append(chunk)
                await anyio.lowlevel.checkpoint()
            log.close()
    expect_equal(got, [list(REPLY)] * 10, "what they got")


@requires(RUN_LOG, "run-broken", "A log that broke is an interrupted run, and says so at its end.")
async def _run_broken(open_log: Open[RunLog]) -> None:
    run, log = _run(), ChunkLog()
    async with open_log() as one:
        await one.start(run, log, _ignore)
        log.extend(REPLY[:2])
        log.close(StreamInterrupted("broke"))
        stream = (await _followed(one, run)).stream()
        expect_equal([await anext(stream), await anext(stream)], list(REPLY[:2]), "the chunks")
        try:
            await anext(stream)
        except StreamInterrupted:
            return
    expect(False, "the end of a broken log is a good end")

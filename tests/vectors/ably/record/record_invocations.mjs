// Several people and several invocations of one run: steps tried again, answers by others, two
// answers at once, and a later message of a failed run written anew.
import { Broker, sleep } from './channel.mjs';
import { Invocation } from '@ably/ai-transport';
import {
  createAgentSession,
  createClientSession,
  createUIMessageCodec,
} from '@ably/ai-transport/vercel';
import fs from 'fs';

const codec = createUIMessageCodec();
const said = async function* (chunks, error) {
  for (const chunk of chunks) {
    await sleep(1);
    yield chunk;
  }
  if (error) throw new Error(error);
};
const text = (messageId, words) => [
  { type: 'start', messageId },
  { type: 'start-step' },
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta: words },
  { type: 'text-end', id: 't' },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'stop' },
];
const question = (messageId) => [
  { type: 'start', messageId },
  { type: 'start-step' },
  { type: 'tool-input-available', toolCallId: 'call', toolName: 'rm', input: { p: 1 } },
  { type: 'tool-approval-request', toolCallId: 'call', approvalId: 'ap' },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'tool-calls' },
];
const user = (id, words) =>
  codec.createUserMessage({ id, role: 'user', parts: [{ type: 'text', text: words }] });

async function scenario(name, play) {
  const broker = new Broker('chat:42');
  const meta = { posts: [], notes: [] };
  let agents = 0;
  const client = async (id) => {
    const session = createClientSession({ client: broker.client(id), channelName: 'chat:42' });
    session.on('error', () => {});
    await session.connect();
    return session;
  };
  const answer = async (sent, work) => {
    const body = sent.toInvocation().toJSON();
    meta.posts.push({ url: '/api/agent', method: 'POST', body });
    const session = createAgentSession({
      client: broker.client(`agent-${++agents}`),
      channelName: 'chat:42',
    });
    await session.connect();
    const run = session.createRun(Invocation.fromJSON(body));
    while (run.view.hasOlder()) await run.view.loadOlder(100);
    await run.start();
    meta.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
    await work(run);
    await sleep(20);
  };
  const end = (session) => {
    meta.messages = structuredClone(session.view.getMessages());
    meta.runs = session.view.runs().map(({ runId, status }) => ({ id: runId, status }));
  };
  await play({ client, answer, end });
  fs.writeFileSync(`out/${name}.jsonl`, broker.log.map((x) => JSON.stringify(x)).join('\n') + '\n');
  fs.writeFileSync(`out/${name}.meta.json`, JSON.stringify(meta, null, 1));
  console.log(name, broker.log.length);
}

const ask = async (alice, answer) => {
  const sent = await alice.view.send([user('u1', 'delete it')]);
  await answer(sent, async (run) => {
    await run.pipe(said(question('a1')));
    await run.suspend();
  });
  return alice.view.getMessages()[1];
};
const approve = (session, { codecMessageId, runId }, approved) =>
  session.view.send(
    [codec.createToolApprovalResponse(codecMessageId, { toolCallId: 'call', approved })],
    { runId },
  );

const SCENARIOS = {
  '50-steps-tried-again': async ({ client, answer, end }) => {
    const alice = await client('alice');
    await answer(await alice.view.send([user('u1', 'x')]), async (run) => {
      const named = run.createStep({ stepId: 'plan' });
      await named.start();
      await named.pipe(said(text('a1', 'planned')));
      await named.end();
      for (const [messageId, error] of [
        ['a2', 'model fell over'],
        ['a3', undefined],
      ]) {
        const step = run.createStep();
        await step.start();
        await step.pipe(said(text(messageId, messageId), error));
        await step.end();
      }
      await run.pipe(said(text('a4', 'piped')));
      await run.end({ reason: 'complete' });
    });
    end(alice);
  },
  '51-answered-by-another': async ({ client, answer, end }) => {
    const alice = await client('alice');
    const bob = await client('bob');
    const { codecMessageId } = await ask(alice, answer);
    const { runId } = alice.view.runOf(codecMessageId);
    await answer(await approve(bob, { codecMessageId, runId }, true), async (run) => {
      const [start, ...rest] = text('a1', 'gone');
      const output = { type: 'tool-output-available', toolCallId: 'call', output: 'ok' };
      await run.pipe(said([start, output, ...rest]));
      await run.end({ reason: 'complete' });
    });
    end(alice);
  },
  '52-two-answers-at-once': async ({ client, answer, end }) => {
    const alice = await client('alice');
    const bob = await client('bob');
    const { codecMessageId } = await ask(alice, answer);
    const { runId } = alice.view.runOf(codecMessageId);
    const first = await approve(alice, { codecMessageId, runId }, true);
    const second = await approve(bob, { codecMessageId, runId }, true);
    await Promise.all([
      answer(first, async (run) => {
        await run.pipe(said([], 'fell'));
        await run.end({ reason: 'error' });
      }),
      answer(second, async (run) => {
        await run.pipe(said(text('a2', 'done')));
        await run.end({ reason: 'complete' });
      }),
    ]);
    const next = await alice.view.send([user('u2', 'and now?')]);
    await answer(next, async (run) => {
      await run.pipe(said(text('a3', 'nothing')));
      await run.end({ reason: 'complete' });
    });
    end(alice);
  },
  '53-later-message-of-a-failed-run': async ({ client, answer, end }) => {
    const alice = await client('alice');
    await answer(await alice.view.send([user('u1', 'x')]), async (run) => {
      await run.pipe(said(text('a1', 'one')));
      await run.pipe(said(text('a2', 'two'), 'fell'));
      await run.end({ reason: 'error' });
    });
    const [, , second] = alice.view.getMessages();
    await answer(await alice.view.regenerate(second.codecMessageId), async (run) => {
      await run.pipe(said(text('a3', 'two, again')));
      await run.end({ reason: 'complete' });
    });
    end(alice);
  },
  '54-refused-input': async ({ client, answer, end }) => {
    const alice = await client('alice');
    await answer(await alice.view.send([user('u1', 'x')]), async (run) => {
      const call = { toolCallId: 'c', toolName: 'do', title: 'Do it' };
      await run.pipe(
        said([
          { type: 'start', messageId: 'a1' },
          { type: 'start-step' },
          { type: 'tool-input-error', ...call, input: { a: 1 }, errorText: 'bad' },
          { type: 'tool-input-start', toolCallId: 'd', toolName: 'do' },
          { type: 'tool-input-delta', toolCallId: 'd', inputTextDelta: '{"a": [1' },
        ]),
      );
      await run.end({ reason: 'complete' });
    });
    end(alice);
  },
};
process.on('unhandledRejection', (error) => console.log('unhandled', error.message));
for (const [name, play] of Object.entries(SCENARIOS)) await scenario(name, play);
process.exit(0);

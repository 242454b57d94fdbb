import { Broker, sleep } from './channel.mjs';
import { createClientSession, createAgentSession, Invocation } from '@ably/ai-transport';
import { ResponsesCodec } from '@ably/ai-transport/openai';
import fs from 'fs';
process.on('unhandledRejection', (e) => console.log('unhandled', e.message));
const gen = async function* (cs) {
  for (const c of cs) yield c;
};
const user = (t) => ({
  kind: 'user-message',
  message: {
    role: 'user',
    items: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: t }] }],
  },
});
async function scenario(name, fn) {
  const b = new Broker('chat:42');
  const meta = { notes: {} };
  let n = 0;
  const codec = ResponsesCodec;
  const c = b.client('alice');
  const session = createClientSession({ client: c, channelName: 'chat:42', codec });
  await session.connect();
  const agent = async (run0, work) => {
    const a = createAgentSession({
      client: b.client('agent-' + ++n),
      channelName: 'chat:42',
      codec,
    });
    await a.connect();
    const run = a.createRun(Invocation.fromJSON(run0.toInvocation().toJSON()));
    while (run.view.hasOlder()) await run.view.loadOlder(100);
    await run.start();
    await work(run);
  };
  await fn({ session, codec, agent, meta, b });
  await sleep(60);
  meta.messages = structuredClone(session.view.getMessages());
  fs.writeFileSync(`out/${name}.jsonl`, b.log.map((x) => JSON.stringify(x)).join('\n') + '\n');
  fs.writeFileSync(`out/${name}.meta.json`, JSON.stringify(meta, null, 1));
  console.log(name, b.log.length, JSON.stringify(meta.messages).slice(0, 900));
}
const call = [
  { type: 'response.created', response: {} },
  {
    type: 'response.output_item.added',
    output_index: 0,
    item: {
      id: 'fc_1',
      type: 'function_call',
      call_id: 'call_1',
      name: 'rm',
      arguments: '',
      status: 'in_progress',
    },
  },
  {
    type: 'response.function_call_arguments.delta',
    item_id: 'fc_1',
    output_index: 0,
    delta: '{"p":1}',
  },
  {
    type: 'response.function_call_arguments.done',
    item_id: 'fc_1',
    output_index: 0,
    arguments: '{"p":1}',
    name: 'rm',
  },
  {
    type: 'response.output_item.done',
    output_index: 0,
    item: {
      id: 'fc_1',
      type: 'function_call',
      call_id: 'call_1',
      name: 'rm',
      arguments: '{"p":1}',
      status: 'completed',
    },
  },
];
const text = (id, t) => [
  {
    type: 'response.output_item.added',
    output_index: 0,
    item: { id, type: 'message', role: 'assistant', status: 'in_progress', content: [] },
  },
  {
    type: 'response.content_part.added',
    item_id: id,
    output_index: 0,
    content_index: 0,
    part: { type: 'output_text', text: '', annotations: [] },
  },
  { type: 'response.output_text.delta', item_id: id, output_index: 0, content_index: 0, delta: t },
  { type: 'response.output_text.done', item_id: id, output_index: 0, content_index: 0, text: t },
  { type: 'response.content_part.done', item_id: id, output_index: 0, content_index: 0, part: {} },
  {
    type: 'response.output_item.done',
    output_index: 0,
    item: {
      id,
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: t }],
    },
  },
  { type: 'response.completed', response: {} },
];
for (const [nm, approved] of [
  ['40-openai-approved', true],
  ['41-openai-denied', false],
])
  await scenario(nm, async ({ session, codec, agent, meta }) => {
    const r = await session.view.send([user('rm')]);
    await agent(r, async (run) => {
      await run.pipe(
        gen([
          ...call,
          { type: 'tool-approval-request', call_id: 'call_1', name: 'rm', arguments: '{"p":1}' },
        ]),
      );
      await run.suspend();
    });
    await sleep(40);
    const ms = session.view.getMessages();
    const m = ms.at(-1);
    const rid = session.view.runOf(m.codecMessageId).runId;
    const r2 = await session.view.send(
      [
        codec.createToolApprovalResponse(m.codecMessageId, {
          call_id: 'call_1',
          approved,
          ...(approved ? {} : { reason: 'no' }),
        }),
      ],
      { runId: rid },
    );
    await agent(r2, async (run) => {
      if (approved)
        await run.pipe(
          gen([
            {
              type: 'function_call_output',
              item: { type: 'function_call_output', call_id: 'call_1', output: 'gone' },
            },
          ]),
        );
      await run.pipe(gen(text('msg_1', 'done')));
      await run.end({ reason: 'complete' });
    });
  });
await scenario('42-openai-client-tool', async ({ session, codec, agent }) => {
  const r = await session.view.send([user('where')]);
  await agent(r, async (run) => {
    await run.pipe(gen(call));
    await run.suspend();
  });
  await sleep(40);
  const m = session.view.getMessages().at(-1);
  const rid = session.view.runOf(m.codecMessageId).runId;
  const r2 = await session.view.send(
    [codec.createToolResult(m.codecMessageId, { call_id: 'call_1', output: 'Oslo' })],
    { runId: rid },
  );
  await agent(r2, async (run) => {
    await run.pipe(gen(text('msg_1', 'Oslo')));
    await run.end({ reason: 'complete' });
  });
  await sleep(30);
  const r3 = await session.view.regenerate(session.view.getMessages().at(-1).codecMessageId);
  await agent(r3, async (run) => {
    await run.pipe(gen(text('msg_2', 'Oslo!')));
    await run.end({ reason: 'complete' });
  });
});
process.exit(0);

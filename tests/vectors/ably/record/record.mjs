import { Broker, sleep } from './channel.mjs';
import {
  createClientSession,
  createAgentSession,
  createChatTransport,
} from '@ably/ai-transport/vercel';
import { Invocation } from '@ably/ai-transport';
import fs from 'fs';
process.on('unhandledRejection', (e) => {
  console.log('unhandled', e.message);
});

async function scenario(name, fn) {
  const b = new Broker('chat:42');
  const posts = [];
  const notes = [];
  let agentN = 0;
  const meta = { posts, notes };
  const ctx = { b, meta, notes, handlers: [] };
  const fetchFn = async (url, init) => {
    const body = JSON.parse(init.body);
    posts.push({ url, method: init.method, body });
    const h = ctx.handlers.shift();
    if (h) ctx.running = h(body);
    return new Response('{}', { status: 200 });
  };
  ctx.client = async (id, opts = {}) => {
    const c = b.client(id);
    const session = createClientSession({ client: c, channelName: 'chat:42' });
    await session.connect();
    const transport = createChatTransport(session, { fetch: fetchFn });
    return { session, transport };
  };
  ctx.post = (body) => fetchFn('/api/agent', { method: 'POST', body: JSON.stringify(body) });
  ctx.agent = async (body, work) => {
    const c = b.client('agent-' + ++agentN);
    const session = createAgentSession({ client: c, channelName: 'chat:42' });
    await session.connect();
    const run = session.createRun(Invocation.fromJSON(body));
    while (run.view.hasOlder()) await run.view.loadOlder(100);
    await run.start();
    await work(run, session);
  };
  await fn(ctx);
  await sleep(60);
  fs.writeFileSync(`out/${name}.jsonl`, b.log.map((x) => JSON.stringify(x)).join('\n') + '\n');
  fs.writeFileSync(`out/${name}.meta.json`, JSON.stringify(meta, null, 1));
  console.log(name, 'ok', b.log.length);
}
const gen = async function* (cs, gap = 0) {
  for (const c of cs) {
    if (gap) await sleep(gap);
    yield c;
  }
};
const text = (id, mid, ...ws) => [
  { type: 'start', messageId: mid },
  { type: 'start-step' },
  { type: 'text-start', id },
  ...ws.map((d) => ({ type: 'text-delta', id, delta: d })),
  { type: 'text-end', id },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'stop' },
];
const user = (id, t) => ({ id, role: 'user', parts: [{ type: 'text', text: t }] });
const readAll = async (s) => {
  const out = [];
  const r = s.getReader();
  try {
    for (;;) {
      const { done, value } = await r.read();
      if (done) break;
      out.push(value);
    }
  } catch (e) {
    out.push({ ERROR: e.message, code: e.code });
  }
  return out;
};
const view = (s) => structuredClone(s.view.getMessages());
const only = process.argv[2];
const S = {
  '05-approval-denied': async (c) => {
    const { session, transport } = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(
          gen([
            { type: 'start', messageId: 'a1' },
            { type: 'start-step' },
            { type: 'tool-input-start', toolCallId: 'call_1', toolName: 'rm' },
            { type: 'tool-input-delta', toolCallId: 'call_1', inputTextDelta: '{"p":1}' },
            { type: 'tool-input-available', toolCallId: 'call_1', toolName: 'rm', input: { p: 1 } },
            { type: 'tool-approval-request', toolCallId: 'call_1', approvalId: 'ap1' },
            { type: 'finish-step' },
            { type: 'finish', finishReason: 'tool-calls' },
          ]),
        );
        await run.suspend();
      }),
    );
    c.meta.chunks1 = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'del')],
      }),
    );
    await sleep(30);
    const msgs = view(session).map((m) => m.message);
    const p = msgs[1].parts.find((p) => p.toolCallId);
    Object.assign(p, {
      state: 'approval-responded',
      approval: { id: 'ap1', approved: false, reason: 'too risky' },
    });
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        c.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
        await run.pipe(
          gen([
            { type: 'start', messageId: 'a1' },
            { type: 'tool-output-denied', toolCallId: 'call_1' },
            { type: 'start-step' },
            { type: 'text-start', id: 't2' },
            { type: 'text-delta', id: 't2', delta: 'ok, not' },
            { type: 'text-end', id: 't2' },
            { type: 'finish-step' },
            { type: 'finish', finishReason: 'stop' },
          ]),
        );
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks2 = await readAll(
      await transport.sendMessages({ chatId: 'c', trigger: 'submit-message', messages: msgs }),
    );
    await sleep(30);
    c.meta.messages = view(session);
  },
  '09-edit': async (c) => {
    const { session, transport } = await c.client('alice');
    let hist = [];
    const turn = async (u, a, mid, extra = {}) => {
      c.handlers.push((body) =>
        c.agent(body, async (run) => {
          c.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
          await run.pipe(gen(text('t1', mid, a)));
          await run.end({ reason: 'complete' });
        }),
      );
      const r = await readAll(
        await transport.sendMessages({
          chatId: 'c',
          trigger: 'submit-message',
          messages: [...hist, u],
          ...extra,
        }),
      );
      await sleep(30);
      hist = view(session).map((m) => m.message);
      return r;
    };
    await turn(user('u1', 'first'), 'one', 'a1');
    await turn(user('u2', 'second'), 'two', 'a2');
    const h = hist;
    hist = h.slice(0, 2);
    c.meta.chunks = await turn(user('u2', 'second, edited'), 'two b', 'a3', { messageId: 'u2' });
    c.meta.messages = view(session);
    const id = c.meta.messages[2].codecMessageId;
    const br = session.view.branchSelection(id);
    c.meta.siblings = structuredClone(br.siblings);
    c.meta.index = br.index;
  },
  '14-append-failure-recovery': async (c) => {
    const { session, transport } = await c.client('alice');
    c.b.rejectAppend = (m) => m.data === 'x2 ';
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        const r = await run.pipe(gen(text('t1', 'a1', 'x1 ', 'x2 ', 'x3')));
        c.notes.push({ pipe: r.reason });
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'x')],
      }),
    );
    await sleep(30);
    c.meta.messages = view(session);
    const s2 = (await c.client('bob')).session;
    while (s2.view.hasOlder()) await s2.view.loadOlder(50);
    c.meta.reloadedView = view(s2);
  },
  '16-two-tabs-fork': async (c) => {
    const A = await c.client('alice'),
      B = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(
          gen([
            { type: 'start', messageId: 'a1' },
            { type: 'start-step' },
            { type: 'tool-input-start', toolCallId: 'call_1', toolName: 'geo' },
            { type: 'tool-input-delta', toolCallId: 'call_1', inputTextDelta: '{}' },
            { type: 'tool-input-available', toolCallId: 'call_1', toolName: 'geo', input: {} },
            { type: 'finish-step' },
            { type: 'finish', finishReason: 'tool-calls' },
          ]),
        );
        await run.suspend();
      }),
    );
    await readAll(
      await A.transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'where')],
      }),
    );
    await sleep(30);
    const mk = (x, out) => {
      const m = view(x.session).map((m) => m.message);
      const p = m[1].parts.find((p) => p.toolCallId);
      Object.assign(p, { state: 'output-available', output: out });
      return m;
    };
    const ma = mk(A, { city: 'Oslo' }),
      mb = mk(B, { city: 'Rome' });
    for (const w of ['Oslo', 'Rome'])
      c.handlers.push((body) =>
        c.agent(body, async (run) => {
          await run.pipe(gen(text('t2', 'a-' + w, 'in ' + w), 5));
          await run.end({ reason: 'complete' });
        }),
      );
    await Promise.all([
      readAll(
        await A.transport.sendMessages({ chatId: 'c', trigger: 'submit-message', messages: ma }),
      ),
      readAll(
        await B.transport.sendMessages({ chatId: 'c', trigger: 'submit-message', messages: mb }),
      ),
    ]);
    await sleep(60);
    c.meta.aliceView = view(A.session);
    c.meta.runs = A.session.view.runs().map((r) => ({ id: r.runId, status: r.status }));
  },
  '18-session-cancel-by-run-id': async (c) => {
    const { session, transport } = await c.client('alice');
    let rid;
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        rid = run.runId;
        const r = await run.pipe(
          gen(text('t1', 'a1', ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `w${i} `)), 10),
        );
        c.notes.push({ pipeResult: r.reason });
        await run.end({ reason: r.reason });
      }),
    );
    const s = await transport.sendMessages({
      chatId: 'c',
      trigger: 'submit-message',
      messages: [user('u1', 'long')],
    });
    const p = readAll(s);
    await sleep(70);
    await session.cancel(rid);
    c.meta.chunks = await p;
    await sleep(30);
    c.meta.messages = view(session);
    c.meta.runs = session.view.runs().map((r) => ({ id: r.runId, status: r.status }));
  },
  '30-cancelled-then-next': async (c) => {
    const { session, transport } = await c.client('alice');
    const ac = new AbortController();
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        const r = await run.pipe(
          gen(text('t1', 'a1', ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `w${i} `)), 10),
        );
        await run.end({ reason: r.reason });
      }),
    );
    const s = await transport.sendMessages({
      chatId: 'c',
      trigger: 'submit-message',
      messages: [user('u1', 'long')],
      abortSignal: ac.signal,
    });
    const p = readAll(s);
    await sleep(70);
    ac.abort();
    c.meta.chunks1 = await p;
    await sleep(60);
    const hist = view(session).map((m) => m.message);
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        c.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
        await run.pipe(gen(text('t1', 'a2', 'yes')));
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks2 = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [...hist, user('u2', 'again')],
      }),
    );
    await sleep(30);
    c.meta.messages = view(session);
    c.meta.runs = session.view.runs().map((r) => ({ id: r.runId, status: r.status }));
  },
  '31-nonhead-regenerate': async (c) => {
    const { session, transport } = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(gen(text('t1', 'a1', 'one')));
        await run.pipe(gen(text('t1', 'a2', 'two')));
        await run.pipe(gen(text('t1', 'a3', 'three')));
        await run.end({ reason: 'complete' });
      }),
    );
    await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'go')],
      }),
    );
    await sleep(60);
    const hist = view(session).map((m) => m.message);
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        c.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
        await run.pipe(gen(text('t1', 'a2b', 'two b')));
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'regenerate-message',
        messageId: 'a2',
        messages: hist.slice(0, 2),
      }),
    );
    await sleep(30);
    c.meta.messages = view(session);
    const id = c.meta.messages[2]?.codecMessageId;
    const br = session.view.branchSelection(id);
    c.meta.siblings = structuredClone(br.siblings);
    c.meta.index = br.index;
  },
  '32-many-parts': async (c) => {
    const { session, transport } = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(
          gen([
            { type: 'start', messageMetadata: { a: 1 } },
            { type: 'start-step' },
            {
              type: 'tool-input-start',
              toolCallId: 'd1',
              toolName: 'dyn',
              dynamic: true,
              title: 'T',
              providerExecuted: true,
            },
            { type: 'tool-input-delta', toolCallId: 'd1', inputTextDelta: '{"q"' },
            { type: 'tool-input-delta', toolCallId: 'd1', inputTextDelta: ':[1,2]}' },
            {
              type: 'tool-input-available',
              toolCallId: 'd1',
              toolName: 'dyn',
              input: { q: [1, 2] },
              dynamic: true,
              providerMetadata: { x: { y: 1 } },
            },
            { type: 'tool-output-error', toolCallId: 'd1', errorText: 'bad', dynamic: true },
            { type: 'tool-input-start', toolCallId: 'e1', toolName: 'emp' },
            { type: 'tool-input-available', toolCallId: 'e1', toolName: 'emp', input: {} },
            { type: 'tool-output-available', toolCallId: 'e1', output: null },
            { type: 'text-start', id: 't', providerMetadata: { m: { k: 'v' } } },
            { type: 'reasoning-start', id: 'r' },
            { type: 'text-delta', id: 't', delta: 'hé' },
            { type: 'reasoning-delta', id: 'r', delta: 'think' },
            { type: 'text-delta', id: 't', delta: 'llo €' },
            { type: 'text-end', id: 't' },
            { type: 'reasoning-end', id: 'r', providerMetadata: { m: { s: '2' } } },
            { type: 'data-x', data: { a: 1 } },
            { type: 'data-x', data: [1] },
            { type: 'source-document', sourceId: 's', mediaType: 'text/plain', title: 'T' },
            { type: 'error', errorText: 'oops' },
            { type: 'finish-step' },
            { type: 'finish' },
          ]),
        );
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [
          {
            id: 'u1',
            role: 'user',
            metadata: { z: 1 },
            parts: [
              { type: 'file', mediaType: 'text/plain', url: 'https://x/y', filename: 'y.txt' },
              { type: 'text', text: 'see' },
              { type: 'step-start' },
            ],
          },
        ],
      }),
    );
    await sleep(40);
    c.meta.messages = view(session);
  },
  '33-error-run': async (c) => {
    const { session, transport } = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(gen(text('t1', 'a1', 'fine')));
        await run.end({ reason: 'error' });
      }),
    );
    c.meta.chunks = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'x')],
      }),
    );
    await sleep(30);
    c.meta.messages = view(session);
    c.meta.runs = session.view
      .runs()
      .map((r) => ({ status: r.status, err: r.error?.message, code: r.error?.code }));
  },
  '34-two-posts-one-input': async (c) => {
    const { session, transport } = await c.client('alice');
    let b0;
    c.handlers.push((body) => {
      b0 = body;
      return c.agent(body, async (run) => {
        await run.pipe(gen(text('t1', 'a1', 'one'), 3));
        await run.end({ reason: 'complete' });
      });
    });
    c.meta.chunks = await readAll(
      await transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'x')],
      }),
    );
    await c.agent(b0, async (run) => {
      await run.pipe(gen(text('t1', 'a2', 'two')));
      await run.end({ reason: 'complete' });
    });
    await sleep(30);
    c.meta.messages = view(session);
    const id = c.meta.messages[1].codecMessageId;
    const br = session.view.branchSelection(id);
    c.meta.siblings = structuredClone(br.siblings);
    c.meta.index = br.index;
    c.meta.runs = session.view.runs().map((r) => ({ id: r.runId, status: r.status }));
  },
  '35-tool-result-error-fork': async (c) => {
    const A = await c.client('alice');
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        await run.pipe(
          gen([
            { type: 'start', messageId: 'a1' },
            { type: 'start-step' },
            { type: 'tool-input-start', toolCallId: 'call_1', toolName: 'geo' },
            { type: 'tool-input-delta', toolCallId: 'call_1', inputTextDelta: '{"x":1}' },
            {
              type: 'tool-input-available',
              toolCallId: 'call_1',
              toolName: 'geo',
              input: { x: 1 },
            },
            { type: 'finish-step' },
            { type: 'finish', finishReason: 'tool-calls' },
          ]),
        );
        await run.suspend();
      }),
    );
    c.meta.chunks1 = await readAll(
      await A.transport.sendMessages({
        chatId: 'c',
        trigger: 'submit-message',
        messages: [user('u1', 'where')],
      }),
    );
    await sleep(30);
    const m = view(A.session).map((m) => m.message);
    const p = m[1].parts.find((p) => p.toolCallId);
    Object.assign(p, { state: 'output-error', errorText: 'no gps' });
    c.handlers.push((body) =>
      c.agent(body, async (run) => {
        c.notes.push({ promptSeenByAgent: structuredClone(run.view.getMessages()) });
        await run.pipe(gen(text('t2', 'a2', 'sorry')));
        await run.end({ reason: 'complete' });
      }),
    );
    c.meta.chunks2 = await readAll(
      await A.transport.sendMessages({ chatId: 'c', trigger: 'submit-message', messages: m }),
    );
    await sleep(40);
    c.meta.messages = view(A.session);
  },
};
for (const [n, f] of Object.entries(S))
  if (!only || n.startsWith(only)) {
    try {
      await Promise.race([
        scenario(n, f),
        sleep(5000).then(() => {
          throw new Error('timeout');
        }),
      ]);
    } catch (e) {
      console.log(n, 'FAILED', e.stack?.slice(0, 500));
    }
  }
process.exit(0);

// A JavaScript client: the official packages, unmodified, driven by a test.
import * as Ably from 'ably';
import { AbstractChat, lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls } from 'ai';
import { createChatTransport, createClientSession, createUIMessageCodec } from '@ably/ai-transport/vercel';
import { say, serve, until } from '../lines.mjs';

class PlainState {
  status = 'ready';
  error = undefined;
  messages = [];
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (value) => structuredClone(value);
}

class PlainChat extends AbstractChat {
  constructor(init) {
    super({ ...init, state: new PlainState() });
  }
}

const PREDICATES = {
  never: () => false,
  approvals: lastAssistantMessageIsCompleteWithApprovalResponses,
  tools: lastAssistantMessageIsCompleteWithToolCalls,
};

let realtime;
let session;
let transport;
let chat;
let wake = async () => {};
const runs = new Map();

function viewChanges(look) {
  const offs = [session.view.on('update', look), session.view.on('run', look)];
  return () => offs.forEach((off) => off());
}

function sync() {
  if (!transport.streaming) chat.messages = session.view.getMessages().map(({ message }) => message);
}

async function loadAll() {
  while (session.view.hasOlder()) await session.view.loadOlder(50);
}

serve({
  async open({ clientOptions, token, channel, clientId, api, autoSend = 'never' }) {
    realtime = new Ably.Realtime({
      ...clientOptions,
      clientId,
      authCallback: (_, callback) => callback(null, token),
    });
    session = createClientSession({ client: realtime, channelName: channel });
    session.on('error', (error) => say({ event: 'session-error', code: error.code, error: error.message }));
    if (api) wake = (run) => globalThis.fetch(api, { method: 'POST', body: JSON.stringify(run.toInvocation().toJSON()) });
    const fetch = api ? globalThis.fetch : async () => new Response('{}', { status: 200 });
    transport = createChatTransport(session, { api: api ?? 'http://127.0.0.1/none', fetch });
    chat = new PlainChat({
      id: channel,
      transport,
      onError: (error) => say({ event: 'chat-error', error: error.message }),
      sendAutomaticallyWhen: PREDICATES[autoSend],
    });
    await session.connect();
    session.view.on('update', sync);
    transport.onStreamingChange(sync);
  },
  loadAll,
  // useChat's operations
  async send({ text }) {
    await chat.sendMessage({ text });
    return { status: chat.status, error: chat.error?.message };
  },
  async editMessage({ text, messageId }) {
    await chat.sendMessage({ text, messageId });
    return { status: chat.status };
  },
  async regenerate({ messageId }) {
    await chat.regenerate({ messageId });
    return { status: chat.status };
  },
  async approve({ approvalId, approved, reason }) {
    await chat.addToolApprovalResponse({ id: approvalId, approved, reason });
  },
  async toolOutput({ tool, toolCallId, output }) {
    await chat.addToolOutput({ tool, toolCallId, output });
  },
  async stop() {
    await chat.stop();
  },
  chatMessages: () => chat.messages,
  status: () => chat.status,
  // the session's operations
  async sendRun({ text, name }) {
    const run = await session.view.send([userMessage(text)]);
    runs.set(name, run);
    await wake(run);
    return { inputCodecMessageId: run.inputCodecMessageId };
  },
  async steer({ name, text }) {
    const run = runs.get(name);
    await run.started;
    const steer = run.steer(userMessage(text));
    await steer.published;
    return await steer.outcome;
  },
  async cancelRun({ name }) {
    await runs.get(name).cancel();
  },
  async cancelById({ runId }) {
    await session.cancel(runId);
  },
  viewMessages: () => session.view.getMessages().map(({ message }) => message),
  runs: () => session.view.runs().map(({ runId, status, error }) => ({ runId, status, error: error?.message })),
  async untilIdle({ replies }) {
    const quiet = () => {
      const all = session.view.runs();
      const messages = session.view.getMessages().filter(({ message }) => message.role === 'assistant');
      return messages.length >= replies && all.length > 0 && all.every(({ status }) => status !== 'active');
    };
    await until(quiet, viewChanges, `${replies} replies and no active run`);
  },
  async untilText({ text }) {
    const shown = () =>
      session.view.getMessages().some(({ message }) => message.parts.some((part) => part.text?.includes(text)));
    await until(shown, viewChanges, `the text ${text}`);
  },
  async untilTool({ state }) {
    const shown = () =>
      session.view.getMessages().some(({ message }) => message.parts.some((part) => part.state === state && part.toolCallId));
    await until(shown, viewChanges, `a tool in state ${state}`);
  },
  async close() {
    await session.close();
    realtime.close();
  },
});

function userMessage(text) {
  return createUIMessageCodec().createUserMessage({
    id: crypto.randomUUID(),
    role: 'user',
    parts: [{ type: 'text', text }],
  });
}

// A small AI SDK ChatTransport that speaks the wire of the older ably-ai-sdk-transport, and useChat's chat on it.
import * as Ably from 'ably';
import {
  AbstractChat, lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls,
} from 'ai';
import { say, serve, until } from '../lines.mjs';

const FATES = {
  'tool-output': 'tool-output-available',
  'tool-error': 'tool-output-error',
  'tool-approval': 'tool-approval-request',
  'tool-denied': 'tool-output-denied',
};
const WHOLE = { metadata: 'message-metadata', 'step-finish': 'finish-step' };
const TERMINAL = new Set(['finish', 'error', 'abort']);
const json = (data) => (typeof data === 'string' && data ? JSON.parse(data) : (data ?? {}));

/** Turns the agent's messages of one reply into chunks. */
class Reader {
  grown = new Map();
  started = false;
  inStep = false;

  chunks(message) {
    const out = this.known(message) ?? this.opened(message);
    if (!out.length || TERMINAL.has(out[0].type)) return out;
    // The wire has a message for the end of a step only: its beginning is what follows.
    if (out[0].type === 'finish-step') this.inStep = false;
    else if (out[0].type !== 'start' && !this.inStep) {
      this.inStep = true;
      out.unshift({ type: 'start-step' });
    }
    if (!this.started && out[0].type !== 'start') out.unshift({ type: 'start' });
    this.started = true;
    return out;
  }

  opened(message) {
    const [kind, id, tool] = message.name.split(':');
    const event = message.version?.metadata?.event ?? message.extras?.headers?.event ?? '';
    if (kind === 'text' || kind === 'reasoning') {
      this.grown.set(message.serial, { kind, id, text: '' });
      return [{ type: `${kind}-start`, id }, ...this.grow(message, message.data ?? '', event)];
    }
    if (kind === 'tool') {
      this.grown.set(message.serial, { kind, id, tool, text: '' });
      if (event === 'tool-input-available') {
        return [{ type: 'tool-input-available', toolCallId: id, toolName: tool, input: json(message.data) }];
      }
      return [{ type: 'tool-input-start', toolCallId: id, toolName: tool }, ...this.grow(message, message.data ?? '', event)];
    }
    if (kind in FATES) return this.fate(kind, id, message);
    return [{ ...json(message.data), type: WHOLE[message.name] ?? message.name }];
  }

  known(message) {
    if (!this.grown.has(message.serial)) return undefined;
    const [kind, id] = (message.name ?? '').split(':');
    if (kind in FATES) return this.fate(kind, id, message);
    const event = message.version?.metadata?.event ?? '';
    const known = this.grown.get(message.serial);
    const data = message.data ?? '';
    return this.grow(message, message.action === 'message.append' ? data : data.slice(known.text.length), event);
  }

  grow(message, delta, event) {
    const known = this.grown.get(message.serial);
    known.text += delta;
    const out = [];
    if (known.kind === 'tool') {
      const ids = { toolCallId: known.id, toolName: known.tool };
      if (delta) out.push({ type: 'tool-input-delta', toolCallId: known.id, inputTextDelta: delta });
      if (event === 'tool-input-end') out.push({ type: 'tool-input-available', ...ids, input: json(known.text) });
    } else {
      if (delta) out.push({ type: `${known.kind}-delta`, id: known.id, delta });
      if (event.endsWith('-end')) out.push({ type: `${known.kind}-end`, id: known.id });
    }
    return out;
  }

  fate(kind, toolCallId, message) {
    const { toolName, input, ...fields } = json(message.data);
    return [{ ...fields, toolCallId, type: FATES[kind] }];
  }
}

class Transport {
  constructor(channel, { invoke } = {}) {
    this.channel = channel;
    this.invoke = invoke;
  }

  /** Streams what the channel says of one prompt's reply; with `before`, that comes first. */
  stream(wanted, { before = [], abortSignal } = {}) {
    const reader = new Reader();
    let promptId = wanted;
    return new ReadableStream({
      start: async (controller) => {
        let over = false;
        const take = (message) => {
          const headers = message.extras?.headers ?? {};
          if (over || headers.role !== 'assistant' || headers.promptId !== promptId) return;
          for (const chunk of reader.chunks(message)) controller.enqueue(chunk);
          if (TERMINAL.has(message.name)) {
            over = true;
            this.channel.unsubscribe(take);
            controller.close();
          }
        };
        before.forEach(take);
        if (!over) this.channel.subscribe(take);
        abortSignal?.addEventListener('abort', () => {
          this.channel.publish({ name: 'user-abort', extras: { headers: { role: 'user', promptId } } });
        });
      },
    });
  }

  async sendMessages({ trigger, messages, messageId, abortSignal }) {
    const promptId = crypto.randomUUID();
    const stream = this.stream(promptId, { abortSignal });
    const extras = { headers: { role: 'user', promptId } };
    if (trigger === 'regenerate-message') {
      await this.channel.publish({ name: 'regenerate', data: JSON.stringify({ messageId }), extras });
    } else {
      await this.channel.publish({ name: 'chat-message', data: JSON.stringify({ message: messages.at(-1) }), extras });
    }
    if (this.invoke) {
      // Where no agent listens: wakes one for this message.
      const body = JSON.stringify({ inputEventId: promptId, sessionName: this.channel.name });
      await fetch(this.invoke, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    }
    return stream;
  }

  async reconnectToStream() {
    const { hasActiveStream, promptId, pending } = await this.loadChatHistory();
    return hasActiveStream ? this.stream(promptId, { before: pending }) : null;
  }

  async loadChatHistory() {
    await this.channel.attach();
    const page = await this.channel.history({ untilAttach: true, limit: 100 });
    const items = page.items.reverse();
    const newest = items.at(-1);
    const hasActiveStream = newest !== undefined && !TERMINAL.has(newest.name);
    const promptId = newest?.extras?.headers?.promptId;
    const messages = items.filter(({ name }) => name === 'chat-message').map(({ data }) => json(data).message);
    const pending = items.filter(({ extras }) => extras?.headers?.promptId === promptId);
    return { messages, hasActiveStream, promptId, pending };
  }

  presence() {
    return this.channel.presence;
  }

  /** Tells whether any agent is there, now and at each change: who says `type: agent` is one. */
  async onAgentPresenceChange(callback) {
    const here = new Set();
    const take = ({ action, connectionId, data }) => {
      if (data?.type !== 'agent') return;
      const before = here.size > 0;
      if (action === 'leave') here.delete(connectionId);
      else here.add(connectionId);
      if (before !== here.size > 0) callback(here.size > 0);
    };
    await this.channel.presence.subscribe(['enter', 'present', 'leave'], take);
    callback(here.size > 0);
  }
}

class State {
  status = 'ready';
  error = undefined;
  messages = [];
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (value) => structuredClone(value);
}

class PlainChat extends AbstractChat {}

let realtime;
let transport;
let chat;
let resumed;
let published;
const isPublished = new Promise((resolve) => (published = resolve));
const poll = (look) => {
  const timer = setInterval(look, 5);
  return () => clearInterval(timer);
};

serve({
  async open({ clientOptions, token, channel, invoke }) {
    realtime = new Ably.Realtime({ ...clientOptions, authCallback: (_, callback) => callback(null, token) });
    const opened = realtime.channels.get(channel);
    await opened.attach();
    transport = new Transport(opened, { invoke });
    chat = new PlainChat({
      id: channel,
      state: new State(),
      transport,
      onError: (error) => say({ event: 'chat-error', error: error.message }),
      sendAutomaticallyWhen: (now) =>
        lastAssistantMessageIsCompleteWithToolCalls(now) || lastAssistantMessageIsCompleteWithApprovalResponses(now),
    });
    await transport.onAgentPresenceChange((here) => say({ event: 'agent', here }));
    await transport.presence().subscribe((member) =>
      say({ event: 'presence', action: member.action, clientId: member.clientId, status: member.data?.status }),
    );
  },
  async send({ text }) {
    await chat.sendMessage({ text });
    return { status: chat.status, error: chat.error?.message };
  },
  async regenerate() {
    await chat.regenerate();
    return { status: chat.status };
  },
  async toolOutput({ tool, toolCallId, output }) {
    await chat.addToolOutput({ tool, toolCallId, output });
  },
  async decide({ approved, reason }) {
    const call = chat.messages.at(-1).parts.find(({ state }) => state === 'approval-requested');
    await chat.addToolApprovalResponse({ id: call.approval.id, approved, reason });
  },
  /** Says what a client may not: any message, as it is. */
  async forge({ message }) {
    const chunks = [];
    const stream = await transport.sendMessages({ trigger: 'submit-message', messages: [message] });
    published();
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  },
  untilPublished: () => isPublished,
  stop: () => chat.stop(),
  async load() {
    const { messages, hasActiveStream } = await transport.loadChatHistory();
    chat.messages = messages;
    return { messages: messages.length, hasActiveStream };
  },
  resume() {
    resumed = chat.resumeStream();
  },
  resumed: () => resumed,
  async untilText({ text }) {
    const shown = () => chat.messages.some(({ parts }) => parts.some((part) => part.text?.includes(text)));
    await until(shown, poll, `the text ${text}`);
  },
  async untilReady() {
    await until(() => chat.status === 'ready', poll, 'ready');
  },
  messages: () => chat.messages,
  async close() {
    realtime.close();
  },
});

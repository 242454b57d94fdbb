// The agent's side as ably-ai-sdk-transport has it: one conversation in memory, one reply at a time, over one channel.

const json = (data) => (typeof data === 'string' && data ? JSON.parse(data) : (data ?? {}));
const only = (chunk, ...keys) => Object.fromEntries(keys.filter((key) => chunk[key] != null).map((key) => [key, chunk[key]]));
const asHeaders = (fields) =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]));

const DISCRETE = {
  'message-metadata': ['metadata', 'messageMetadata'],
  'finish-step': ['step-finish'],
  finish: ['finish', 'finishReason', 'messageMetadata'],
  error: ['error', 'errorText'],
  abort: ['abort', 'reason'],
  file: ['file', 'url', 'mediaType', 'providerMetadata'],
  'source-url': ['source-url', 'sourceId', 'url', 'title', 'providerMetadata'],
  'source-document': ['source-document', 'sourceId', 'mediaType', 'title', 'filename', 'providerMetadata'],
};
const FATES = {
  'tool-output-available': ['tool-output', 'output', 'preliminary', 'dynamic', 'providerExecuted'],
  'tool-output-error': ['tool-error', 'errorText', 'dynamic', 'providerExecuted'],
  'tool-output-denied': ['tool-denied'],
};
const CALL = ['dynamic', 'title', 'providerExecuted', 'providerMetadata'];

/** Says the chunks of one reply on the channel. */
class Publisher {
  serials = new Map();
  pending = [];
  over = false;

  constructor(channel, promptId) {
    this.channel = channel;
    this.headers = { role: 'assistant', ...(promptId && { promptId }) };
  }

  publish(name, data, more = {}) {
    return this.channel.publish({ name, data, extras: { headers: { ...this.headers, ...more } } });
  }

  async open(id, name, data, more) {
    const { serials } = await this.publish(name, data, more);
    this.serials.set(id, serials[0]);
  }

  append(id, data, event) {
    const serial = this.serials.get(id);
    if (!serial) throw new Error(`nothing is open under ${id}`);
    const message = { serial, data, extras: { headers: this.headers } };
    this.pending.push(this.channel.appendMessage(message, { metadata: { event } }));
  }

  async say(chunk) {
    const { type } = chunk;
    const [, kind, what] = /^(text|reasoning)-(start|delta|end)$/.exec(type) ?? [];
    if (what === 'start') return this.open(chunk.id, `${kind}:${crypto.randomUUID()}`, '');
    if (what) return this.append(chunk.id, chunk.delta ?? '', type);
    if (type === 'start') {
      const fields = only(chunk, 'messageId', 'messageMetadata');
      return Object.keys(fields).length ? this.publish('start', JSON.stringify(fields)) : undefined;
    }
    if (type === 'tool-input-start') {
      return this.open(chunk.toolCallId, `tool:${chunk.toolCallId}:${chunk.toolName}`, '', asHeaders(only(chunk, ...CALL)));
    }
    if (type === 'tool-input-delta') return this.append(chunk.toolCallId, chunk.inputTextDelta, type);
    if (type === 'tool-input-available') {
      if (this.serials.has(chunk.toolCallId)) return this.append(chunk.toolCallId, '', 'tool-input-end');
      const more = { event: type, ...asHeaders(only(chunk, ...CALL)) };
      return this.open(chunk.toolCallId, `tool:${chunk.toolCallId}:${chunk.toolName}`, JSON.stringify(chunk.input), more);
    }
    if (type === 'tool-approval-request') {
      return this.publish(`tool-approval:${chunk.toolCallId}`, JSON.stringify({ approvalId: chunk.approvalId }));
    }
    if (type in FATES) {
      const serial = this.serials.get(chunk.toolCallId);
      if (!serial) throw new Error(`no call ${chunk.toolCallId} in this reply`);
      const [name, ...keys] = FATES[type];
      const data = JSON.stringify({ ...(type === 'tool-output-available' && { output: chunk.output }), ...only(chunk, ...keys) });
      return this.channel.updateMessage({ serial, name: `${name}:${chunk.toolCallId}`, data, extras: { headers: this.headers } });
    }
    if (type.startsWith('data-')) return this.publish(type, JSON.stringify(only(chunk, 'data', 'id')));
    if (!(type in DISCRETE)) return undefined;
    const [name, ...keys] = DISCRETE[type];
    await Promise.all(this.pending.splice(0));
    this.over ||= ['finish', 'error', 'abort'].includes(name);
    return this.publish(name, JSON.stringify(only(chunk, ...keys)));
  }

  /** Says the whole stream; its end is told whatever happens. */
  async carry(stream, signal) {
    const reader = stream.getReader();
    signal.addEventListener('abort', () => reader.cancel());
    try {
      for (let next; !(next = await reader.read()).done; ) await this.say(next.value);
      if (signal.aborted && !this.over) await this.say({ type: 'abort' });
    } catch (error) {
      if (!this.over) await this.say({ type: 'error', errorText: error.message });
      throw error;
    }
  }
}

/** Rebuilds the conversation from history, as far as an agent needs it: what users said, what was answered in words. */
function remembered(items) {
  const messages = [];
  let reply;
  for (const { name = '', data, extras } of items) {
    if (name === 'chat-message') messages.push(json(data).message);
    if (extras?.headers?.role !== 'assistant') reply = undefined;
    if (name === 'start') reply = { id: json(data).messageId, role: 'assistant', parts: [] };
    if (name.startsWith('text:')) {
      reply ??= { id: name.slice(5), role: 'assistant', parts: [] };
      if (!messages.includes(reply)) messages.push(reply);
      reply.parts.push({ type: 'text', text: data, state: 'done' });
    }
  }
  return messages;
}

/**
 * Answers what clients publish on the channel until the function that it gives is called.
 * A new message ends the reply under way; a reply that failed leaves no trace in the conversation.
 */
export async function subscribeToChannel({ channel, handler, presence, historyLimit = 100, onReply }) {
  let messages = [];
  let underWay;
  let seeded;
  const ready = new Promise((resolve) => (seeded = resolve));

  const turn = async ({ name, data, extras }) => {
    await ready;
    if (underWay) {
      underWay.controller.abort();
      await underWay.done.catch(() => {});
    }
    const before = [...messages];
    const fields = json(data);
    if (name === 'regenerate') {
      const named = messages.findIndex(({ id }) => id === fields.messageId);
      const cut = fields.messageId ? named : messages.findLastIndex(({ role }) => role === 'assistant');
      if (cut >= 0) messages = messages.slice(0, cut);
    }
    if (name === 'chat-message') messages = [...messages, fields.message];
    const controller = new AbortController();
    const trigger = name === 'regenerate' ? 'regenerate-message' : 'submit-message';
    const done = (async () => {
      const stream = await handler({ messages: [...messages], trigger, abortSignal: controller.signal });
      const [said, folded] = stream.tee();
      await new Publisher(channel, extras.headers.promptId).carry(said, controller.signal);
      const message = await onReply(folded);
      if (message) messages = [...messages, message];
    })();
    underWay = { controller, done };
    try {
      await done;
    } catch {
      messages = before;
    }
  };

  await channel.subscribe((message) => {
    if (message.extras?.headers?.role !== 'user') return;
    if (message.name === 'user-abort') underWay?.controller.abort();
    else if (['chat-message', 'regenerate'].includes(message.name)) turn(message);
  });
  const page = await channel.history({ untilAttach: true, limit: historyLimit });
  messages = remembered(page.items.reverse());
  seeded();
  if (presence) await channel.presence.enterClient(presence.clientId ?? 'agent', { type: 'agent', ...presence.data });
  return async () => {
    channel.unsubscribe();
    if (presence) await channel.presence.leaveClient(presence.clientId ?? 'agent');
    underWay?.controller.abort();
  };
}

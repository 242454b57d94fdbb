// Clients as Ably's guides write them, driven by a test: human in the loop, message per response, message per token.
import * as Ably from 'ably';
import { say, serve, until } from '../lines.mjs';

let realtime;
let channel;
let names;
/** serial -> {promptId, text}; for message per token: responseId -> {text, stopped}. */
const replies = new Map();
let completed = [];
let approvals = [];
const actions = [];
const looks = new Set();

function heard(message) {
  const headers = message.extras?.headers ?? {};
  if (message.name === names.response) byResponse(message, headers);
  else if (['start', 'token', 'stop'].includes(message.name)) byToken(message, headers);
  else if (message.name === 'agent-response-complete') completed.push(headers.promptId);
  else if (message.name === 'approval-request') {
    approvals.push({ toolCallId: headers.toolCallId, ...message.data });
  }
  looks.forEach((look) => look());
}

function byResponse(message, headers) {
  actions.push(message.action);
  switch (message.action) {
    case 'message.create':
      replies.set(message.serial, { promptId: headers.promptId, text: message.data ?? '' });
      break;
    case 'message.append':
      if (replies.has(message.serial)) replies.get(message.serial).text += message.data;
      break;
    case 'message.update':
      replies.set(message.serial, { promptId: headers.promptId, text: message.data ?? '' });
      break;
  }
}

function byToken(message, { responseId }) {
  if (message.name === 'start') replies.set(responseId, { text: '', stopped: false });
  else if (message.name === 'token' && replies.has(responseId)) replies.get(responseId).text += message.data;
  else if (message.name === 'stop' && replies.has(responseId)) replies.get(responseId).stopped = true;
}

const changes = (look) => {
  looks.add(look);
  return () => looks.delete(look);
};

serve({
  async open({ clientOptions, token, channel: name, names: given = {}, rewind }) {
    names = { response: 'agent-response', ...given };
    realtime = new Ably.Realtime({ ...clientOptions, authCallback: (_, callback) => callback(null, token) });
    realtime.connection.on((change) => say({ event: `connection-${change.current}` }));
    channel = realtime.channels.get(name, rewind ? { params: { rewind } } : undefined);
    await channel.subscribe(heard);
  },
  async prompt({ promptId, text }) {
    await channel.publish({ name: 'user-input', data: { promptId, text } });
  },
  async decide({ toolCallId, decision }) {
    await channel.publish({
      name: 'approval-response',
      data: { decision },
      extras: { headers: { toolCallId } },
    });
  },
  async untilCompleted({ count = 1 }) {
    await until(() => completed.length >= count, changes, `${count} completed replies`);
    return completed;
  },
  async untilApprovals({ count = 1 }) {
    await until(() => approvals.length >= count, changes, `${count} approval requests`);
    return approvals;
  },
  async untilText({ text }) {
    await until(() => [...replies.values()].some((reply) => reply.text.includes(text)), changes, `the text ${text}`);
  },
  async untilStopped({ count = 1 }) {
    const stopped = () => [...replies.values()].filter((reply) => reply.stopped).length >= count;
    await until(stopped, changes, `${count} stopped replies`);
  },
  replies: () => [...replies.values()],
  actions: () => actions,
  async history() {
    const page = await channel.history({ limit: 100, direction: 'forwards' });
    return page.items.map(({ name, data, action }) => ({ name, data, action }));
  },
  async close() {
    realtime.close();
  },
});

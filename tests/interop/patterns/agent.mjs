// Agents as Ably's guides write them, driven by a test: human in the loop, message per response, message per token.
// The model is a script; everything on the channel is done as those pages do it.
import * as Ably from 'ably';
import { say, serve } from '../lines.mjs';

let realtime;
let channel;
let names;
const decisions = new Map();
const gates = new Map();

const gate = (name) => {
  if (!gates.has(name)) {
    let open;
    const opened = new Promise((resolve) => (open = resolve));
    gates.set(name, { opened, open });
  }
  return gates.get(name);
};

/** The words of a scripted model; `hold NAME` waits in the middle. */
async function* model(text) {
  if (text.startsWith('hold')) {
    yield 'first ';
    yield 'half';
    await gate(text).opened;
    yield ', second ';
    yield 'half';
    return;
  }
  for (const [index, word] of `you said ${text}`.split(' ').entries()) yield index ? ` ${word}` : word;
}

// -- human in the loop: three programs on one channel -------------------------

async function answerPrompt({ promptId, text }) {
  const headers = { promptId };
  const { serials } = await channel.publish({ name: 'agent-response', data: '', extras: { headers } });
  const serial = serials[0];
  const stream = async (deltas) => {
    for await (const data of deltas) channel.appendMessage({ serial, data, extras: { headers } });
  };
  if (text.startsWith('tool')) {
    await stream(['let me see']);
    const calls = text === 'tool two' ? ['call-1', 'call-2'] : ['call-1'];
    const told = [];
    for (const call of calls) {
      const toolCallId = `${promptId}-${call}`;
      await channel.publish({
        name: 'approval-request',
        data: { name: 'publish_post', arguments: JSON.stringify({ title: call }) },
        extras: { headers: { toolCallId } },
      });
      const decision = await new Promise((resolve) => decisions.set(toolCallId, resolve));
      told.push(`${call} ${decision}`);
    }
    await stream([`\n\n`, told.join(', ')]);
  } else {
    await stream(model(text));
  }
  await channel.publish({ name: 'agent-response-complete', extras: { headers } });
}

const patterns = {
  async 'human-in-the-loop'() {
    await channel.subscribe('user-input', (message) => {
      if (message.extras?.userClaim !== 'user') return say({ event: 'refused', clientId: message.clientId });
      answerPrompt(message.data);
    });
    await channel.subscribe('approval-response', (message) => {
      decisions.get(message.extras.headers.toolCallId)?.(message.data.decision);
    });
  },
  async 'message-per-response'() {},
  async 'message-per-token'() {},
};

serve({
  async open({ clientOptions, token, channel: name, pattern, names: given = {} }) {
    names = { response: 'response', ...given };
    realtime = new Ably.Realtime({
      ...clientOptions,
      echoMessages: false,
      authCallback: (_, callback) => callback(null, token),
    });
    channel = realtime.channels.get(name);
    await channel.attach();
    await patterns[pattern]();
  },
  // message per response: nobody asks on the channel; nothing but the text is published
  async respond({ text }) {
    const { serials } = await channel.publish({ name: names.response, data: '' });
    const appends = [];
    for await (const data of model(text)) appends.push(channel.appendMessage({ serial: serials[0], data }));
    await Promise.all(appends);
  },
  // message per token: start, token, token, stop; told apart by responseId
  async tokens({ text, responseId }) {
    const extras = { headers: { responseId } };
    const publishes = [channel.publish({ name: 'start', extras })];
    for await (const data of model(text)) publishes.push(channel.publish({ name: 'token', data, extras }));
    publishes.push(channel.publish({ name: 'stop', extras }));
    await Promise.all(publishes);
  },
  goOn: ({ name }) => gate(name).open(),
  async close() {
    realtime.close();
  },
});

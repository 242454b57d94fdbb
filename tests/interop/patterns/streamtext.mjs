// An agent as users of ably-ai-sdk-transport write it: streamText with tools, subscribed to one channel. The model is a script.
import * as Ably from 'ably';
import { convertToModelMessages, isStepCount, jsonSchema, readUIMessageStream, streamText, tool } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { serve, say } from '../lines.mjs';
import { subscribeToChannel } from './sdk_transport_agent.mjs';

let realtime;
let leave;
const gates = new Map();
const gate = (name) => {
  if (!gates.has(name)) {
    let open;
    const opened = new Promise((resolve) => (open = resolve));
    gates.set(name, { opened, open });
  }
  return gates.get(name);
};

let answers = 0;
const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const finish = (reason) => ({ type: 'finish', finishReason: { unified: reason, raw: reason }, usage });

async function* script(prompt, signal) {
  const last = prompt.at(-1);
  const asked = prompt.findLast(({ role }) => role === 'user').content.find(({ type }) => type === 'text').text;
  yield { type: 'stream-start', warnings: [] };
  if (last.role === 'tool') {
    const { output } = last.content.at(-1);
    yield { type: 'text-start', id: '0' };
    yield { type: 'text-delta', id: '0', delta: `${asked}: ${JSON.stringify(output?.value ?? output?.type)}` };
    yield { type: 'text-end', id: '0' };
    yield finish('stop');
    return;
  }
  const tools = { weather: '{"city":"Oslo"}', pick: '{"of":"sky"}' };
  if (asked in tools) {
    const toolCallId = `call-${asked}-${(answers += 1)}`;
    yield { type: 'reasoning-start', id: 'r' };
    yield { type: 'reasoning-delta', id: 'r', delta: 'a tool is needed' };
    yield { type: 'reasoning-end', id: 'r' };
    yield { type: 'tool-input-start', id: toolCallId, toolName: asked };
    yield { type: 'tool-input-delta', id: toolCallId, delta: tools[asked] };
    yield { type: 'tool-input-end', id: toolCallId };
    yield { type: 'tool-call', toolCallId, toolName: asked, input: tools[asked] };
    yield finish('tool-calls');
    return;
  }
  if (asked === 'fail') {
    yield { type: 'error', error: new Error('the model is out') };
    return;
  }
  yield { type: 'text-start', id: '0' };
  yield { type: 'text-delta', id: '0', delta: `answer ${(answers += 1)} to ${asked}` };
  if (asked.startsWith('hold')) {
    const stopped = new Promise((resolve) => signal?.addEventListener('abort', () => resolve(true)));
    if (await Promise.race([gate(asked).opened, stopped])) {
      say({ event: 'stopped', asked });
      return;
    }
    yield { type: 'text-delta', id: '0', delta: ', and more' };
  }
  yield { type: 'text-end', id: '0' };
  yield finish('stop');
}

const model = new MockLanguageModelV4({
  doStream: async ({ prompt, abortSignal }) => ({ stream: ReadableStream.from(script(prompt, abortSignal)) }),
});
const object = jsonSchema({ type: 'object', additionalProperties: true });
const tools = {
  weather: tool({ inputSchema: object, execute: async ({ city }) => ({ city, sky: 'clear' }) }),
  pick: tool({ inputSchema: object }), // its output is the client's
};

serve({
  async open({ clientOptions, token, channel }) {
    realtime = new Ably.Realtime({ ...clientOptions, authCallback: (_, callback) => callback(null, token) });
    leave = await subscribeToChannel({
      channel: realtime.channels.get(channel),
      presence: { clientId: 'js-agent' },
      handler: async ({ messages, trigger, abortSignal }) => {
        say({ event: 'asked', trigger, messages: messages.length });
        const stopWhen = isStepCount(3);
        const result = streamText({ model, messages: await convertToModelMessages(messages), tools, stopWhen, abortSignal });
        return result.toUIMessageStream();
      },
      onReply: async (stream) => {
        let reply;
        for await (const message of readUIMessageStream({ stream })) reply = message;
        return reply;
      },
    });
  },
  goOn: ({ name }) => gate(name).open(),
  async close() {
    await leave();
    realtime.close();
  },
});

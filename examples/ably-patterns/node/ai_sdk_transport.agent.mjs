// An agent on the wire of ably-ai-sdk-transport: streamText, its chunks said on the channel. Words only, to be short.
import { convertToModelMessages, simulateReadableStream, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { connect, ready } from './connect.mjs';

const channel = await connect({ echoMessages: false });
const messages = [];
let answers = 0;
let underWay;

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const model = new MockLanguageModelV4({
  doStream: async () => ({
    stream: simulateReadableStream({
      chunks: [
        { type: 'stream-start', warnings: [] },
        { type: 'text-start', id: '0' },
        { type: 'text-delta', id: '0', delta: `answer ${(answers += 1)}` },
        { type: 'text-end', id: '0' },
        { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage },
      ],
    }),
  }),
});

async function answer(promptId, abortSignal) {
  const extras = { headers: { role: 'assistant', promptId } };
  const result = streamText({ model, messages: await convertToModelMessages(messages), abortSignal });
  let serial;
  let text = '';
  for await (const chunk of result.toUIMessageStream()) {
    if (chunk.type === 'text-start') {
      ({ serials: [serial] } = await channel.publish({ name: `text:${crypto.randomUUID()}`, data: '', extras }));
    } else if (chunk.type === 'text-delta' || chunk.type === 'text-end') {
      text += chunk.delta ?? '';
      await channel.appendMessage({ serial, data: chunk.delta ?? '', extras }, { metadata: { event: chunk.type } });
    } else if (chunk.type === 'finish-step') {
      await channel.publish({ name: 'step-finish', data: '{}', extras });
    } else if (chunk.type === 'finish') {
      messages.push({ id: promptId, role: 'assistant', parts: [{ type: 'text', text }] });
      await channel.publish({ name: 'finish', data: JSON.stringify({ finishReason: chunk.finishReason }), extras });
    }
  }
}

await channel.subscribe(async ({ name, data, extras }) => {
  if (extras?.headers?.role !== 'user') return;
  underWay?.abort(); // one reply at a time
  if (name === 'user-abort') return;
  if (name === 'chat-message') messages.push(JSON.parse(data).message);
  if (name === 'regenerate') messages.splice(messages.findLastIndex(({ role }) => role === 'assistant'));
  underWay = new AbortController();
  await answer(extras.headers.promptId, underWay.signal);
});
await channel.presence.enter({ type: 'agent' });
ready();

// A chat server as the AI SDK's own pages build it: streamText over a mock model, v7.
import http from 'node:http';
import {
  convertToModelMessages, createUIMessageStreamResponse, simulateReadableStream, stepCountIs,
  streamText, tool, toUIMessageStream, jsonSchema,
} from 'ai7';
import { MockLanguageModelV4 } from 'ai7/test';

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const finish = (reason) => ({ type: 'finish', finishReason: { unified: reason, raw: reason }, usage });
const text = words => [
  { type: 'stream-start', warnings: [] },
  { type: 'text-start', id: '0' },
  ...words.map(delta => ({ type: 'text-delta', id: '0', delta })),
  { type: 'text-end', id: '0' },
  finish('stop'),
];
const call = [
  { type: 'stream-start', warnings: [] },
  { type: 'reasoning-start', id: '0' },
  { type: 'reasoning-delta', id: '0', delta: 'a clock is needed' },
  { type: 'reasoning-end', id: '0' },
  { type: 'tool-call', toolCallId: 'call-1', toolName: 'clock', input: '{"zone":"UTC"}' },
  finish('tool-calls'),
];

let step = 0;
const model = () => new MockLanguageModelV4({
  doStream: async () => ({
    stream: simulateReadableStream({ chunks: step++ % 2 === 0 ? call : text(['It ', 'is ', 'noon 🕛']) }),
  }),
});

const server = http.createServer(async (request, response) => {
  if (request.method !== 'POST') return response.writeHead(204).end();
  let body = '';
  for await (const piece of request) body += piece;
  const { messages } = JSON.parse(body);
  const result = streamText({
    model: model(),
    messages: await convertToModelMessages(messages),
    tools: {
      clock: tool({
        inputSchema: jsonSchema({ type: 'object', properties: { zone: { type: 'string' } } }),
        execute: async ({ zone }) => ({ zone, time: '12:00' }),
      }),
    },
    stopWhen: stepCountIs(3),
  });
  const answer = createUIMessageStreamResponse({
    stream: toUIMessageStream({ stream: result.stream ?? result.fullStream, originalMessages: messages, generateMessageId: () => 'from-node' }),
    keepAliveMs: 50,
  });
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  for await (const piece of answer.body) response.write(piece);
  response.end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

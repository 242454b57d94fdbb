// Message per token, read: each reply is put together by its responseId.
import { connect, done } from './connect.mjs';

const prompts = process.argv.slice(2);
const channel = await connect();
const replies = new Map();
let stopped = 0;

const idOf = ({ extras }) => extras.headers.responseId;
await channel.subscribe('start', (message) => replies.set(idOf(message), ''));
await channel.subscribe('token', (message) => replies.set(idOf(message), replies.get(idOf(message)) + message.data));
await channel.subscribe('stop', () => {
  stopped += 1;
  if (stopped === prompts.length) done([...replies.values()]);
});
for (const text of prompts) await channel.publish('user-input', { promptId: crypto.randomUUID(), text });

// Message per response, read: `create` begins a reply, `append` adds to it, `update` says all of it anew.
import { connect, done } from './connect.mjs';

const [, , prompt, wanted] = process.argv;
const channel = await connect();
const replies = new Map();

await channel.subscribe('response', ({ action, serial, data }) => {
  const before = action === 'message.append' ? (replies.get(serial) ?? '') : '';
  replies.set(serial, before + (data ?? ''));
  if (replies.get(serial) === wanted) done([...replies.values()]);
});
await channel.publish('user-input', { promptId: crypto.randomUUID(), text: prompt });

// Ably's getting-started client: asks, prints what is appended, and decides when the agent asks back.
import { connect, done } from './connect.mjs';

const [, , text, decision] = process.argv;
const channel = await connect();
const promptId = crypto.randomUUID();
let reply = '';

await channel.subscribe('agent-response', ({ action, data }) => {
  if (action === 'message.append') reply += data;
  else if (action === 'message.update') reply = data; // the whole text, after a reconnect
});
await channel.subscribe('approval-request', ({ extras }) => {
  const { toolCallId } = extras.headers;
  channel.publish({ name: 'approval-response', data: { decision }, extras: { headers: { toolCallId } } });
});
await channel.subscribe('agent-response-complete', ({ extras }) => {
  if (extras.headers.promptId === promptId) done(reply);
});
await channel.publish('user-input', { promptId, text });

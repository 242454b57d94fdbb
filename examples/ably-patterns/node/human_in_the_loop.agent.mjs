// Ably's getting-started agent: prompts by name, one streamed message, a person's approval before the tool runs.
import { connect, ready, words } from './connect.mjs';

const channel = await connect({ echoMessages: false });
const decisions = new Map();

await channel.subscribe('approval-response', ({ data, extras }) => {
  decisions.get(extras.headers.toolCallId)?.(data.decision);
});

await channel.subscribe('user-input', async ({ data, extras }) => {
  if (extras?.userClaim !== 'user') return; // only the token server can have put it there
  const { promptId, text } = data;
  const headers = { promptId };
  const { serials } = await channel.publish({ name: 'agent-response', data: '', extras: { headers } });
  const append = (delta) => channel.appendMessage({ serial: serials[0], data: delta, extras: { headers } });
  for await (const delta of words('Shall I?')) append(delta);

  const toolCallId = `${promptId}-call`;
  const decided = new Promise((resolve) => decisions.set(toolCallId, resolve));
  await channel.publish({
    name: 'approval-request',
    data: { name: 'publish_post', arguments: JSON.stringify({ title: text }) },
    extras: { headers: { toolCallId } },
  });
  const decision = await decided;
  append('\n\n');
  for await (const delta of words(decision === 'approved' ? `published ${text}` : 'as you wish')) append(delta);
  await channel.publish({ name: 'agent-response-complete', extras: { headers } });
});
ready();

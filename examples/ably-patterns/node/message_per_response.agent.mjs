// Message per response: an empty message, then every delta appended to it; nothing is awaited.
import { connect, words } from './connect.mjs';

const channel = await connect();

async function respond(text) {
  const { serials } = await channel.publish({ name: 'response', data: '' });
  const appends = [];
  for await (const data of words(text)) appends.push(channel.appendMessage({ serial: serials[0], data }));
  await Promise.all(appends);
}

await Promise.all(process.argv.slice(2).map(respond));
process.exit(0);

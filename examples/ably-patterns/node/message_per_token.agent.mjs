// Message per token: start, a message for each delta, stop; several replies at once, told apart by responseId.
import { connect, words } from './connect.mjs';

const channel = await connect();

async function respond(text, index) {
  const extras = { headers: { responseId: `resp_${index}` } };
  const publishes = [channel.publish({ name: 'start', extras })];
  for await (const data of words(text)) publishes.push(channel.publish({ name: 'token', data, extras }));
  publishes.push(channel.publish({ name: 'stop', extras }));
  await Promise.all(publishes);
}

await Promise.all(process.argv.slice(2).map(respond));
process.exit(0);

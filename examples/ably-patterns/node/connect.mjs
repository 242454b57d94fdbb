// What the programs share: how they reach Ably, or the local broker that the environment names.
import * as Ably from 'ably';

export const CHANNEL = 'ai:conversation';
const { ABLY_ENDPOINT, ABLY_PORT, ABLY_TOKEN } = process.env;

/** Gives the channel, attached. */
export async function connect(options = {}) {
  const realtime = new Ably.Realtime({
    authCallback: (_, callback) => callback(null, ABLY_TOKEN),
    ...(ABLY_ENDPOINT && { endpoint: ABLY_ENDPOINT, port: Number(ABLY_PORT), tls: false }),
    ...options,
  });
  const channel = realtime.channels.get(CHANNEL);
  await channel.attach();
  return channel;
}

/** Stands for a model. */
export async function* words(text) {
  for (const word of text.split(' ')) yield `${word} `;
}

/** Says that an agent is there: `verify.py` waits for the line. */
export const ready = () => console.log('ready');

/** Shows the outcome as the program's one line, and leaves. */
export function done(result) {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

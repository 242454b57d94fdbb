// A peer made of the official `ably` package: one JSON line in, one JSON line out.
import Ably from "ably";
import { serve } from "../lines.mjs";

const clients = new Map();
const heard = new Map();
const plain = (m) => ({
  action: m.action, name: m.name, data: m.data instanceof Uint8Array ? [...m.data] : m.data, serial: m.serial,
  version: m.version?.serial, clientId: m.clientId, extras: m.extras, summary: m.annotations?.summary,
});
const channelOf = ({ client = "a", channel, options }) => clients.get(client).channels.get(channel, options);

const operations = {
  open: ({ client = "a", options }) => {
    const made = new Ably.Realtime({ logLevel: 0, ...options });
    clients.set(client, made);
    return new Promise((resolve) => {
      made.connection.once("connected", () => resolve({ id: made.connection.id }));
      made.connection.once("failed", (change) => resolve({ failed: change.reason.code }));
    });
  },
  subscribe: async (args) => {
    const list = [];
    heard.set(`${args.client ?? "a"} ${args.channel}`, list);
    await channelOf(args).subscribe((m) => list.push(plain(m)));
  },
  heard: async ({ client = "a", channel, count }) => {
    const list = heard.get(`${client} ${channel}`);
    while (list.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return list;
  },
  publish: (args) => channelOf(args).publish(args.name ?? null, args.bytes ? Buffer.from(args.bytes) : args.data),
  append: (args) => channelOf(args).appendMessage({ serial: args.serial, data: args.data }),
  appendMany: (args) => Promise.all(args.pieces.map((data) => channelOf(args).appendMessage({ serial: args.serial, data }))),
  update: (args) => channelOf(args).updateMessage({ serial: args.serial, data: args.data }),
  remove: (args) => channelOf(args).deleteMessage({ serial: args.serial }),
  untilAttach: async (args) => {
    const seen = [];
    let page = await channelOf(args).history({ untilAttach: true, limit: args.limit });
    for (;;) {
      seen.push(...page.items.map(plain));
      if (!page.hasNext()) return seen;
      page = await page.next();
    }
  },
  enter: (args) => channelOf(args).presence.enter(args.data),
  members: async (args) => (await channelOf(args).presence.get()).map((m) => [m.clientId, m.data]),
  annotate: (args) => channelOf(args).annotations.publish(args.serial, { type: args.type, name: args.name }),
  id: ({ client = "a" }) => clients.get(client).connection.id,
  authorize: ({ client = "a", token }) => clients.get(client).auth.authorize(null, { token }).then(() => null),
  rest: async ({ options, path }) => {
    const got = await new Ably.Rest(options).request("get", path, 3, {}, null, {});
    return { status: got.statusCode, items: got.items };
  },
  closeAll: () => { for (const one of clients.values()) one.close(); },
};

serve(operations);

export class Broker {
  constructor(name) {
    this.name = name;
    this.n = 0;
    this.msgs = new Map();
    this.order = [];
    this.subs = [];
    this.log = [];
    this.rejectAppend = () => false;
    this.t = 1785700000000;
  }
  serial() {
    return 'S' + String(++this.n);
  }
  ver() {
    return 'S' + String(++this.n);
  }
  deliver(m) {
    for (const s of this.subs)
      s.q = s.q
        .then(() => new Promise((r) => setImmediate(r)))
        .then(() => {
          for (const f of s.listeners) f(structuredClone(m));
        });
  }
  client(clientId) {
    const b = this,
      sub = { listeners: [], q: Promise.resolve() };
    const st = [];
    const ch = {
      name: b.name,
      state: 'initialized',
      async attach() {
        if (ch.state !== 'attached') {
          ch.state = 'attached';
          b.subs.push(sub);
        }
      },
      async detach() {
        ch.state = 'detached';
        b.subs = b.subs.filter((x) => x !== sub);
      },
      async subscribe(...a) {
        const f = a.at(-1);
        await ch.attach();
        sub.listeners.push(f);
      },
      unsubscribe(f) {
        sub.listeners = sub.listeners.filter((x) => x !== f);
      },
      on(...a) {
        st.push(a.at(-1));
      },
      off() {},
      once() {},
      async publish(ms) {
        ms = Array.isArray(ms) ? ms : [ms];
        const serials = [];
        const out = [];
        for (const m of ms) {
          const s = 'S' + String(++b.n).padStart(6, '0');
          serials.push(s);
          const d = {
            id: 'x',
            name: m.name,
            data: m.data,
            extras: m.extras,
            clientId,
            serial: s,
            action: 'message.create',
            timestamp: (b.t += 10),
            version: { serial: s, timestamp: b.t },
          };
          b.msgs.set(s, structuredClone(d));
          b.order.push(s);
          out.push(d);
        }
        b.log.push({
          by: clientId,
          op: 'publish',
          channel: b.name,
          batch: ms.length,
          messages: structuredClone(ms),
          serials,
        });
        for (const d of out) b.deliver(d);
        await 0;
        return { serials };
      },
      async appendMessage(m) {
        if (b.rejectAppend(m)) {
          b.log.push({
            by: clientId,
            op: 'append',
            rejected: true,
            channel: b.name,
            messages: [structuredClone(m)],
          });
          const e = new Error('append rejected');
          e.code = 93002;
          throw e;
        }
        const k = b.msgs.get(m.serial);
        k.data = (k.data ?? '') + m.data;
        if (m.extras) k.extras = structuredClone(m.extras);
        const v = m.serial + 'v' + String(++b.v || (b.v = 1)).padStart(6, '0');
        k.action = 'message.update';
        k.version = { serial: v, timestamp: (b.t += 10), clientId };
        b.log.push({ by: clientId, op: 'append', channel: b.name, messages: [structuredClone(m)] });
        b.deliver({
          ...structuredClone(k),
          action: 'message.append',
          data: m.data,
          name: undefined,
        });
        return { versionSerial: v };
      },
      async updateMessage(m) {
        const k = b.msgs.get(m.serial);
        k.data = m.data;
        if (m.extras) k.extras = structuredClone(m.extras);
        const v = m.serial + 'v' + String(++b.v || (b.v = 1)).padStart(6, '0');
        k.action = 'message.update';
        k.version = { serial: v, timestamp: (b.t += 10), clientId };
        b.log.push({ by: clientId, op: 'update', channel: b.name, messages: [structuredClone(m)] });
        b.deliver(structuredClone(k));
        return { versionSerial: v };
      },
      async history({ limit = 100 } = {}) {
        const all = [...b.order].reverse().map((s) => structuredClone(b.msgs.get(s)));
        const page = (i) => ({
          items: all.slice(i, i + limit),
          hasNext: () => i + limit < all.length,
          isLast: () => i + limit >= all.length,
          next: async () => page(i + limit),
        });
        return page(0);
      },
      presence: {},
      object: {},
    };
    return { auth: { clientId }, options: {}, channels: { get: () => ch }, ch };
  }
}
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

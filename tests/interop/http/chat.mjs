// Drives AbstractChat of one AI SDK release through a script, and prints what a page would show.
// usage: node chat.mjs '<json>'   with {sdk, api, chatId, steps, headers?, messages?}
const script = JSON.parse(process.argv[2]);
const sdk = await import(script.sdk);

class State {
  constructor(messages) {
    this.status = 'ready';
    this.error = undefined;
    this.messages = messages;
    this.queuedMessages = [];
    this.pushMessage = message => { this.messages = [...this.messages, message]; };
    this.popMessage = () => { this.messages = this.messages.slice(0, -1); };
    this.replaceMessage = (index, message) => {
      this.messages = [...this.messages.slice(0, index), message, ...this.messages.slice(index + 1)];
      const watching = waiting;
      if (watching && JSON.stringify(message.parts).includes(watching.words)) { waiting = undefined; watching.resolve(); }
    };
    this.snapshot = value => structuredClone(value);
  }
}
let waiting;
const seen = words => new Promise(resolve => { waiting = { words, resolve }; });

class Chat extends sdk.AbstractChat {
  constructor(init) { super({ ...init, state: new State(init.messages ?? []) }); }
}

const transport = script.socket
  ? new sdk.WebSocketChatTransport({ url: script.socket, headers: script.headers })
  : new sdk.DefaultChatTransport({ api: script.api, headers: script.headers });
const finishes = [];
const errors = [];
const data = [];
const make = messages => new Chat({
  id: script.chatId,
  messages,
  transport,
  onFinish: event => finishes.push({
    isAbort: event.isAbort ?? null,
    isError: event.isError ?? null,
    finishReason: event.finishReason ?? null,
  }),
  onError: error => errors.push(String(error.message)),
  onData: part => data.push(part),
});
let chat = make(script.messages ?? []);

const run = {
  send: text => chat.sendMessage({ text }),
  regenerate: () => chat.regenerate(),
  resume: () => chat.resumeStream(),
  reload: async () => {
    // what a page does that was closed and opened again: history, then resume
    const answer = await fetch(`${script.api}/${encodeURIComponent(script.chatId)}`, { headers: script.headers });
    chat = make((await answer.json()).messages);
    if (chat.resumeStream) await chat.resumeStream();
    else await chat.experimental_resume?.();
  },
  // the same, with the rest of the reply said only after the page shows its beginning again
  reloadThenOpen: async ({ words, url }) => {
    const answer = await fetch(`${script.api}/${encodeURIComponent(script.chatId)}`);
    chat = make((await answer.json()).messages);
    const there = seen(words);
    const resumed = chat.resumeStream();
    await there;
    await fetch(url, { method: 'POST' });
    await resumed;
  },
  // sends; the rest is said only after the page shows the beginning
  sendThenOpen: async ({ text, words, url }) => {
    const there = seen(words);
    const sent = chat.sendMessage({ text });
    await there;
    await fetch(url, { method: 'POST' });
    await sent;
  },
  // sends, leaves the page as soon as the words are there, without stopping the run
  sendAndLeave: async ({ text, words }) => {
    const there = seen(words);
    chat.sendMessage({ text });
    await there;
    await chat.stop();
  },
  sendAndStop: async ({ text, words }) => {
    const there = seen(words);
    const sent = chat.sendMessage({ text });
    await there;
    if (script.socket) return void (await chat.stop());
    await fetch(`${script.api}/${encodeURIComponent(script.chatId)}/stop`, { method: 'POST', headers: script.headers });
    await sent;
  },
  approve: async approved => {
    const part = chat.messages.at(-1).parts.find(part => part.state === 'approval-requested');
    await chat.addToolApprovalResponse({ id: part.approval.id, approved });
    await chat.sendMessage();
  },
  output: async ({ tool, output }) => {
    const part = chat.messages.at(-1).parts.find(part => part.state === 'input-available');
    const add = (chat.addToolOutput ?? chat.addToolResult).bind(chat);
    await add({ tool, toolCallId: part.toolCallId, output });
    await chat.sendMessage();
  },
  open: async url => { await fetch(url, { method: 'POST' }); },
};

for (const step of script.steps) {
  const [[name, value]] = Object.entries(step);
  await run[name](value);
}
transport.close?.();
console.log(JSON.stringify({ status: chat.status, error: chat.error?.message ?? null, messages: chat.messages, finishes, errors, data }));

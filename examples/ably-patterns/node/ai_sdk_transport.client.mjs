// useChat's chat on the wire of ably-ai-sdk-transport: a message, another answer to it, and a stop. Words only, to be short.
import { AbstractChat } from 'ai';
import { connect, done } from './connect.mjs';

const channel = await connect();
const ENDS = { finish: 'finish', abort: 'abort', error: 'error', 'step-finish': 'finish-step', start: 'start' };

/** Gives the chunks that a message of the agent says. */
function chunksOf({ action, name, data, version }, id) {
  const event = version?.metadata?.event;
  if (action === 'message.append') {
    const delta = data ? [{ type: 'text-delta', id, delta: data }] : [];
    return event === 'text-end' ? [...delta, { type: 'text-end', id }] : delta;
  }
  if (name.startsWith('text:')) return [{ type: 'text-start', id }];
  return name in ENDS ? [{ type: ENDS[name], ...JSON.parse(data || '{}') }] : [];
}

let stopping;
const transport = {
  async sendMessages({ trigger, messages, messageId, abortSignal }) {
    const promptId = crypto.randomUUID();
    const extras = { headers: { role: 'user', promptId } };
    const stream = new ReadableStream({
      start(controller) {
        const take = (message) => {
          const { role, promptId: asked } = message.extras?.headers ?? {};
          if (role !== 'assistant' || asked !== promptId) return;
          for (const chunk of chunksOf(message, message.serial)) controller.enqueue(chunk);
          if (!['finish', 'abort', 'error'].includes(message.name)) return;
          channel.unsubscribe(take);
          controller.close();
        };
        channel.subscribe(take);
        abortSignal?.addEventListener('abort', () => (stopping = channel.publish({ name: 'user-abort', extras })));
      },
    });
    const again = trigger === 'regenerate-message';
    const data = JSON.stringify(again ? { messageId } : { message: messages.at(-1) });
    await channel.publish({ name: again ? 'regenerate' : 'chat-message', data, extras });
    return stream;
  },
  reconnectToStream: async () => null,
};

class State {
  status = 'ready';
  error = undefined;
  messages = [];
  pushMessage = (message) => (this.messages = [...this.messages, message]);
  popMessage = () => (this.messages = this.messages.slice(0, -1));
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message));
  snapshot = (value) => structuredClone(value);
}
class Chat extends AbstractChat {}

const chat = new Chat({ id: 'c', state: new State(), transport });
const shown = () => chat.messages.map(({ parts }) => parts.map(({ text = '' }) => text).join(''));

await chat.sendMessage({ text: 'hello' });
await chat.regenerate();
const before = shown();
const sending = chat.sendMessage({ text: 'for ever' });
while (shown().at(-1) !== 'answer 3') await new Promise((resolve) => setTimeout(resolve, 5));
await chat.stop();
await sending;
await stopping;
done({ before, after: shown(), status: chat.status });

// The set-up of Ably's guide for useChat, unmodified packages; every action is in `window.actions`.
import { useChat } from '@ai-sdk/react';
import { lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls } from 'ai';
import * as Ably from 'ably';
import { AblyProvider } from 'ably/react';
import { createUIMessageCodec } from '@ably/ai-transport/vercel';
import { ChatTransportProvider, useChatTransport, useMessageSync } from '@ably/ai-transport/vercel/react';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const asked = new URLSearchParams(location.search);
const config = await (await fetch('config.json')).json();
const client = new Ably.Realtime({
  ...config.clientOptions,
  clientId: asked.get('client'),
  authUrl: `api/auth/token?client=${asked.get('client')}`,
});
const resends = {
  never: () => false,
  approvals: lastAssistantMessageIsCompleteWithApprovalResponses,
  tools: lastAssistantMessageIsCompleteWithToolCalls,
};
const started = new Map();

function Chat() {
  const { session, chatTransport } = useChatTransport();
  const chat = useChat({ transport: chatTransport, sendAutomaticallyWhen: resends[asked.get('resend') ?? 'never'] });
  const runs = useRuns(session);
  const [ready, setReady] = useState(false);
  const [heard, setHeard] = useState('');
  useMessageSync({ setMessages: chat.setMessages });
  useEffect(() => {
    session
      .connect()
      .then(() => session.view.loadOlder(50))
      .then(() => setReady(true));
  }, [session]);

  window.actions = {
    send: (text) => chat.sendMessage({ text }),
    edit: (text, messageId) => chat.sendMessage({ text, messageId }),
    regenerate: (messageId) => chat.regenerate({ messageId }),
    stop: () => chat.stop(),
    answer: (id, approved, reason) => chat.addToolApprovalResponse({ id, approved, reason }),
    toolOutput: (tool, toolCallId, output) => chat.addToolOutput({ tool, toolCallId, output }),
    sendRun: async (text) => {
      started.set(text, await session.view.send([said(text)]));
    },
    steer: async (run, text) => {
      await started.get(run).started;
      const { consumed } = await started.get(run).steer(said(text)).outcome;
      setHeard(String(consumed));
    },
    cancelRun: (run) => started.get(run).cancel(),
    cancelAll: () => Promise.all(runs.filter(({ status }) => status === 'active').map(({ runId }) => session.cancel(runId))),
  };

  const isBusy = ['submitted', 'streaming'].includes(chat.status) || runs.some((run) => run.status === 'active');
  return (
    <main data-ready={ready} data-status={chat.status} data-runs={runs.map((run) => run.status).join(" ")} data-heard={heard}>
      {chat.messages.map((message) => (
        <article key={message.id} data-role={message.role} data-id={message.id} data-json={JSON.stringify(message)}>
          {message.parts.map((part, index) => (
            <Part key={index} part={part} />
          ))}
        </article>
      ))}
      {isBusy && <p role="status">The agent is at work</p>}
      {chat.error && <p role="alert">{chat.error.message}</p>}
    </main>
  );
}

function Part({ part }) {
  if (part.type === 'text') return <p>{part.text}</p>;
  if (part.type === 'reasoning') return <blockquote>{part.text}</blockquote>;
  if (part.toolCallId) return <code data-state={part.state}>{JSON.stringify(part.output ?? part.input)}</code>;
  return null;
}

function useRuns(session) {
  const [runs, setRuns] = useState([]);
  useEffect(() => {
    const look = () => setRuns(session.view.runs().map(({ runId, status }) => ({ runId, status })));
    look();
    const offs = [session.view.on('update', look), session.view.on('run', look)];
    return () => offs.forEach((off) => off());
  }, [session]);
  return runs;
}

function said(text) {
  const message = { id: crypto.randomUUID(), role: 'user', parts: [{ type: 'text', text }] };
  return createUIMessageCodec().createUserMessage(message);
}

createRoot(document.getElementById('root')).render(
  <AblyProvider client={client}>
    <ChatTransportProvider channelName={asked.get('channel')} api="api/invoke">
      <Chat />
    </ChatTransportProvider>
  </AblyProvider>,
);

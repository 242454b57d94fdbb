// The client of Ably's getting-started guide for the Vercel AI SDK; only the addresses are ours.
import { useChat } from '@ai-sdk/react';
import { lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai';
import * as Ably from 'ably';
import { AblyProvider } from 'ably/react';
import { ChatTransportProvider, useChatTransport, useMessageSync } from '@ably/ai-transport/vercel/react';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

const config = await (await fetch('config.json')).json();
const client = new Ably.Realtime({ ...config.clientOptions, authUrl: 'api/auth/token', clientId: 'user-abc' });
const channelName = new URLSearchParams(location.search).get('channel') ?? 'ai:my-session';

function Chat() {
  const [input, setInput] = useState('');
  const { session, chatTransport } = useChatTransport();
  const { messages, setMessages, sendMessage, status, addToolApprovalResponse } = useChat({
    transport: chatTransport,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });

  // Anything the agent publishes, and anything the user sends from another device, arrives over the session.
  useMessageSync({ setMessages });
  // In 0.8.0 it misses text that grows in a message it has shown (it compares messages by identity): show them again.
  useEffect(
    () => session.view.on('update', () => !chatTransport.streaming && setMessages((shown) => [...shown])),
    [session, chatTransport, setMessages],
  );
  useEffect(() => {
    session.connect().then(() => session.view.loadOlder(50));
  }, [session]);

  const stop = () => {
    const active = session.view.runs().find((run) => run.status === 'active');
    if (active) void session.cancel(active.runId);
  };

  return (
    <form
      data-status={status}
      onSubmit={(event) => {
        event.preventDefault();
        sendMessage({ text: input });
        setInput('');
      }}
    >
      {messages.map((message) => (
        <article key={message.id} data-role={message.role}>
          {message.parts.map((part, index) => {
            if (part.type === 'text') return <span key={index}>{part.text}</span>;
            if (part.state === 'approval-requested') {
              return (
                <button
                  key={index}
                  type="button"
                  onClick={() => addToolApprovalResponse({ id: part.approval.id, approved: true })}
                >
                  Approve {part.type}
                </button>
              );
            }
            return part.output ? <code key={index}>{JSON.stringify(part.output)}</code> : null;
          })}
        </article>
      ))}
      <input aria-label="Message" value={input} onChange={(event) => setInput(event.target.value)} />
      {status === 'submitted' || status === 'streaming' ? (
        <button type="button" onClick={stop}>
          Stop
        </button>
      ) : (
        <button type="submit">Send</button>
      )}
    </form>
  );
}

createRoot(document.getElementById('root')).render(
  <AblyProvider client={client}>
    <ChatTransportProvider channelName={channelName} api="api/invoke">
      <Chat />
    </ChatTransportProvider>
  </AblyProvider>,
);

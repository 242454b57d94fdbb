// useChat as its documentation has it. Two things are added: history, and stop that reaches the server.
import { useChat } from '@ai-sdk/react';
import { lastAssistantMessageIsCompleteWithApprovalResponses } from 'ai';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';

const id = new URLSearchParams(location.search).get('chat') ?? 'my-chat';
const address = `/api/chat/${encodeURIComponent(id)}`;
const history = await (await fetch(address)).json();

function Chat() {
  const [input, setInput] = useState('');
  const { messages, sendMessage, status, error, addToolApprovalResponse } = useChat({
    id,
    messages: history.messages,
    resume: true,
    sendAutomaticallyWhen: lastAssistantMessageIsCompleteWithApprovalResponses,
  });
  const stop = () => fetch(`${address}/stop`, { method: 'POST' }); // the stream then ends by itself

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
              const approve = () => addToolApprovalResponse({ id: part.approval.id, approved: true });
              return (
                <button key={index} type="button" onClick={approve}>
                  Approve {part.type}
                </button>
              );
            }
            return part.output ? <code key={index}>{JSON.stringify(part.output)}</code> : null;
          })}
        </article>
      ))}
      {error && <p role="alert">{error.message}</p>}
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

createRoot(document.getElementById('root')).render(<Chat />);

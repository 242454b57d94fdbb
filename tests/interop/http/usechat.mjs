// Renders a component with useChat of @ai-sdk/react, sends one message, and prints each status.
import React from 'react';
import { act, create } from 'react-test-renderer';
import { useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai7';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const said = console.error;
console.error = (...words) => { if (!String(words[0]).includes('react-test-renderer is deprecated')) said(...words); };
const [, , api] = process.argv;
const transport = new DefaultChatTransport({ api });
const statuses = [];
let chat;

function Page() {
  chat = useChat({ id: 'hook', transport });
  if (statuses.at(-1) !== chat.status) statuses.push(chat.status);
  return null;
}

await act(async () => { create(React.createElement(Page)); });
globalThis.IS_REACT_ACT_ENVIRONMENT = false; // from here on React renders as it does in a page
await chat.sendMessage({ text: 'hello hook' });
while (chat.status !== 'ready' || chat.messages.length < 2) await new Promise(setImmediate);
console.log(JSON.stringify({ statuses, messages: chat.messages }));

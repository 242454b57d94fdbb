import { useRef, useState } from 'react';

/** Enter sends, Shift+Enter breaks the line, Escape stops. */
export function Composer({ busy, onSend, onStop, onRegenerate }) {
  const [text, setText] = useState('');
  const field = useRef(null);

  const send = (event) => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    onSend(text.trim());
    setText('');
    field.current?.focus();
  };

  return (
    <form className="composer" onSubmit={send}>
      <label htmlFor="prompt" className="visually-hidden">
        Your message
      </label>
      <textarea
        id="prompt"
        ref={field}
        value={text}
        rows={Math.min(6, text.split('\n').length)}
        placeholder="Ask something"
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) send(event);
          if (event.key === 'Escape' && busy) onStop();
        }}
      />
      {busy ? (
        <button type="button" className="stop" onClick={onStop}>
          Stop
        </button>
      ) : (
        <button type="submit" disabled={!text.trim()}>
          Send
        </button>
      )}
      <button type="button" className="quiet" onClick={onRegenerate} disabled={!onRegenerate}>
        Regenerate
      </button>
    </form>
  );
}

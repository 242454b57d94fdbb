import Markdown from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { ToolCard } from './ToolCard.jsx';

/** One message: every kind of part has a form; unknown kinds are left out. */
export function Message({ message, streaming, onAnswer }) {
  return (
    <article className={`message ${message.role}`} data-role={message.role} data-streaming={streaming} aria-label={message.role}>
      {message.parts.map((part, index) => (
        <Part key={part.toolCallId ?? index} part={part} onAnswer={onAnswer} />
      ))}
      {streaming && <span className="caret" aria-hidden="true" />}
    </article>
  );
}

function Part({ part, onAnswer }) {
  if (part.type === 'text') {
    return <div className="text"><Markdown remarkPlugins={[remarkGfm]}>{part.text}</Markdown></div>;
  }
  if (part.type === 'reasoning') {
    return part.text ? (
      <details className="reasoning" open={part.state === 'streaming'}>
        <summary>Reasoning</summary>
        {part.text}
      </details>
    ) : null;
  }
  if (part.type === 'source-url') {
    return <a className="source" href={part.url} target="_blank" rel="noreferrer noopener">{part.title ?? part.url}</a>;
  }
  if (part.type === 'source-document') return <span className="source">{part.title}</span>;
  if (part.type === 'file') {
    return part.mediaType.startsWith('image/') ? (
      <img src={part.url} alt={part.filename ?? 'image'} />
    ) : (
      <a className="source" href={part.url} download={part.filename}>{part.filename ?? part.mediaType}</a>
    );
  }
  if (part.type === 'dynamic-tool' || part.type.startsWith('tool-')) return <ToolCard part={part} onAnswer={onAnswer} />;
  return null;
}

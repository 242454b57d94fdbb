const WORDS = {
  'input-streaming': 'preparing',
  'input-available': 'running',
  'approval-requested': 'waits for you',
  'approval-responded': 'answered',
  'output-available': 'done',
  'output-error': 'failed',
  'output-denied': 'denied',
};

/** A tool call: what it was asked, where it stands, what came out, and your leave where it needs that. */
export function ToolCard({ part, onAnswer }) {
  const name = part.toolName ?? part.type.slice(part.type.indexOf('-') + 1);
  return (
    <section className="tool" data-tool={name} data-state={part.state} aria-label={`Tool ${name}: ${WORDS[part.state]}`}>
      <h2>
        {part.title ?? name} <small>{WORDS[part.state]}</small>
      </h2>
      {part.input !== undefined && <pre>{JSON.stringify(part.input, null, 2)}</pre>}
      {part.state === 'approval-requested' && (
        <p className="answers">
          <button type="button" onClick={() => onAnswer(part.approval.id, true)}>
            Approve
          </button>
          <button type="button" className="quiet" onClick={() => onAnswer(part.approval.id, false)}>
            Reject
          </button>
        </p>
      )}
      {part.state === 'output-available' && <pre className="output">{show(part.output)}</pre>}
      {part.state === 'output-error' && <p className="error">{part.errorText}</p>}
      {part.state === 'output-denied' && <p>{part.approval?.reason ?? 'Not allowed.'}</p>}
    </section>
  );
}

function show(value) {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

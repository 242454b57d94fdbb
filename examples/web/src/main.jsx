import { createRoot } from 'react-dom/client';
import { App } from './App.jsx';

const root = createRoot(document.getElementById('root'));

/** The page learns from its server where Ably is; nothing is compiled in. */
async function start() {
  const response = await fetch('config.json');
  if (!response.ok) throw new Error(`config.json: ${response.status} ${response.statusText}`);
  root.render(<App config={await response.json()} />);
}

start().catch((error) => {
  root.render(
    <p className="notice error" role="alert">
      The page could not reach its server: {error.message}. Start it with <code>make demo</code> and reload.
    </p>,
  );
});

// Builds the test page into dist/ with the packages of examples/web.
import { copyFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const packages = path.resolve('../../../examples/web');
const { build } = createRequire(path.join(packages, 'package.json'))('esbuild');

await mkdir('dist', { recursive: true });
await build({
  entryPoints: ['src/main.jsx'],
  bundle: true,
  outfile: 'dist/app.js',
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  jsx: 'automatic',
  nodePaths: [path.join(packages, 'node_modules')],
  define: { 'process.env.NODE_ENV': '"production"' },
  logLevel: 'warning',
});
await copyFile('src/index.html', 'dist/index.html');

// The echo backend for Node.js, on the library ws: every message is sent back, and
// nothing is sent unasked. docs/backends.md says what it answers.
//
//   node server.mjs --ws PATH --listen ADDR:PORT --max-message BYTES [--cert FILE --key FILE]
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    ws: { type: 'string' }, // where the library is: whoever starts this has looked
    listen: { type: 'string' },
    'max-message': { type: 'string' },
    cert: { type: 'string' },
    key: { type: 'string' },
  },
});

const { WebSocketServer } = createRequire(import.meta.url)(flags.ws);

// What waits for a client that does not read. Beyond it nothing more is read from it.
const mostUnsent = 1 << 20;

// The kernel lowers it to net.core.somaxconn.
const backlog = 65535;

const greeting = 'wsgauge echo\n';

function plain(request, response) {
  const readable = request.method === 'GET' || request.method === 'HEAD';
  const body = readable ? greeting : 'GET and HEAD only\n';
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(body) };
  if (!readable) {
    Object.assign(headers, { Allow: 'GET, HEAD', Connection: 'close' });
  }
  response.writeHead(readable ? 200 : 405, headers);
  response.end(request.method === 'HEAD' ? undefined : body);
}

function echo(socket, ws) {
  const unsent = () => {
    if (socket.writableLength > mostUnsent) {
      ws.pause();
    }
  };
  socket.on('drain', () => ws.resume());
  ws.on('message', (data, isBinary) => {
    ws.send(data, { binary: isBinary, compress: false });
    unsent();
  });
  ws.on('ping', unsent); // the library has answered it
  ws.on('error', () => {}); // a broken rule: the library closes with its code
}

function serve() {
  const secure = flags.cert !== undefined;
  const server = secure
    ? https.createServer({
        cert: readFileSync(flags.cert),
        key: readFileSync(flags.key),
        minVersion: 'TLSv1.2',
        ecdhCurve: 'X25519:P-256', // the same key exchange as on every other leg
      }, plain)
    : http.createServer(plain);

  // Nothing ends because it is idle: what a proxy does of its own must be seen.
  server.timeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  server.keepAliveTimeout = 0;

  const sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: Number(flags['max-message']),
  });
  server.on('upgrade', (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (ws) => echo(socket, ws));
  });
  server.on('error', (error) => {
    console.error(`echo: ${error.message}`);
    process.exit(1);
  });
  const at = flags.listen.lastIndexOf(':');
  const host = flags.listen.slice(0, at).replace(/^\[|\]$/g, '');
  server.listen({ host, port: Number(flags.listen.slice(at + 1)), backlog });
}

serve();

// A closed loop in k6: every virtual user keeps one message in flight on a connection
// of its own. Only the length of an answer is checked.
import ws from 'k6/ws';

export const options = {
  scenarios: {
    loop: { executor: 'per-vu-iterations', vus: Number(__ENV.CONNECTIONS), iterations: 1, maxDuration: '3m' },
  },
};

const size = Number(__ENV.SIZE);
const payload = new ArrayBuffer(size);

export default function () {
  let end = 0;
  ws.connect(`ws://${__ENV.ADDR}/`, null, (socket) => {
    socket.on('open', () => {
      end = Date.now() + Number(__ENV.SECONDS) * 1000;
      socket.sendBinary(payload);
    });
    socket.on('binaryMessage', (answer) => {
      if (answer.byteLength !== size) throw new Error(`an answer of ${answer.byteLength} bytes`);
      if (Date.now() < end) socket.sendBinary(payload);
      else socket.close();
    });
  });
}

export function handleSummary(data) {
  const count = (name) => data.metrics[name].values.count;
  return { [__ENV.SUMMARY]: `${count('ws_msgs_sent')} ${count('ws_msgs_received')}\n` };
}

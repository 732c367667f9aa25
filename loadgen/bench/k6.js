// A closed loop in k6: every virtual user keeps one message in flight on a connection
// of its own, checks the answer's length and sequence number, and records the response
// time, which is what the agent beside it does and less.
import ws from 'k6/ws';
import { Trend } from 'k6/metrics';

export const options = {
  scenarios: {
    loop: { executor: 'per-vu-iterations', vus: Number(__ENV.CONNECTIONS), iterations: 1, maxDuration: '3m' },
  },
};

const responseTime = new Trend('response_time', true);
const size = Number(__ENV.SIZE);

export default function () {
  const payload = new ArrayBuffer(size);
  const identity = new DataView(payload);
  let sequence = 0;
  let sent = 0;
  let end = 0;
  ws.connect(`ws://${__ENV.ADDR}/`, null, (socket) => {
    const next = (now) => {
      identity.setUint32(0, ++sequence);
      sent = now;
      socket.sendBinary(payload);
    };
    socket.on('open', () => {
      const now = Date.now();
      end = now + Number(__ENV.SECONDS) * 1000;
      next(now);
    });
    socket.on('binaryMessage', (answer) => {
      const now = Date.now();
      responseTime.add(now - sent);
      if (answer.byteLength !== size || new DataView(answer).getUint32(0) !== sequence) throw new Error('a wrong answer');
      if (now < end) next(now);
      else socket.close();
    });
  });
}

export function handleSummary(data) {
  const count = (name) => data.metrics[name].values.count;
  return { [__ENV.SUMMARY]: `${count('ws_msgs_sent')} ${count('ws_msgs_received')}\n` };
}

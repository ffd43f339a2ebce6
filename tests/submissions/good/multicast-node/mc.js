const dgram = require('dgram');
const [role, port, group] = process.argv.slice(2);

function listen() {
  const s = dgram.createSocket({ type: 'udp4', reuseAddr: true });
  s.on('message', (m) => console.log(m.toString()));
  s.bind(Number(port), () => s.addMembership(group));
}

function talk() {
  const s = dgram.createSocket('udp4');
  s.bind(() => {
    s.setMulticastTTL(2);
    s.setMulticastLoopback(true);
    process.stdin.setEncoding('utf8');
    process.stdin.on('data', (chunk) => {
      for (const line of chunk.split('\n').filter(Boolean)) s.send(line, Number(port), group);
    });
    process.stdin.on('end', () => s.close());
  });
}

if (role === 'listen') listen();
else if (role === 'talk') talk();
else console.log('usage: node mc.js listen|talk PORT GROUP');

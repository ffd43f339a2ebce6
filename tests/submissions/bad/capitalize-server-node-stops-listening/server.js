const net = require('net');

let served = 0;

const server = net.createServer((sock) => {
  const id = `#${++served}`;
  console.log(`${id} connected from ${sock.remotePort}`);
  sock.setEncoding('utf8');
  sock.on('data', (text) => {
    if (/^CLOSE SOCKET\s*$/.test(text)) {
      console.log(`${id} wants to leave`);
      sock.end('Goodbye, it was nice to have you here.\n');
      server.close();
      return;
    }
    sock.write(text.toUpperCase());
  });
  sock.on('error', (e) => console.log(`${id} failed: ${e.code}`));
  sock.on('close', () => console.log(`${id} closed`));
});

server.listen(5605);

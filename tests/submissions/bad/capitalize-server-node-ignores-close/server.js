const net = require('net');

let served = 0;

net.createServer((sock) => {
  const id = `#${++served}`;
  console.log(`${id} connected from ${sock.remotePort}`);
  sock.setEncoding('utf8');
  sock.on('data', (text) => {
    if (text.toUpperCase().includes('close socket')) {
      console.log(`${id} wants to leave`);
      sock.end('Goodbye, it was nice to have you here.\n');
      sock.once('end', () => sock.resetAndDestroy());
      return;
    }
    sock.write(text.toUpperCase());
  });
  sock.on('error', (e) => console.log(`${id} failed: ${e.code}`));
  sock.on('close', () => console.log(`${id} closed`));
}).listen(5605);

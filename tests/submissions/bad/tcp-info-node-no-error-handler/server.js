const net = require('net');

const port = Number(process.argv[2] || 5001);

const server = net.createServer((socket) => {
  const who = socket.remoteAddress + ' ' + socket.remotePort;
  console.log(`new client ${who}`);
  socket.resume();
  socket.on('end', () => socket.end());
  socket.on('close', () => console.log(`bye ${who}`));
});

server.listen(port, () => console.log('listening on ' + port));

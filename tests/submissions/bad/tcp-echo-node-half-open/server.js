const { createServer } = require('net');

const sockets = new Set();

const server = createServer({ allowHalfOpen: true }, (socket) => {
  sockets.add(socket);
  socket.on('data', (d) => socket.write(d));
  socket.on('end', () => console.log('client finished'));
  socket.on('error', () => sockets.delete(socket));
});

server.listen(parseInt(process.argv[2]));

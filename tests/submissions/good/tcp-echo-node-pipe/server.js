const net = require('net');

net.createServer((socket) => {
  socket.on('error', (e) => console.log('socket error:', e.code));
  socket.pipe(socket);
}).listen({ port: Number(process.argv[2]), host: '127.0.0.1' });

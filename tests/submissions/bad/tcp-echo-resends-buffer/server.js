const net = require('net');

function onClient(socket) {
  let buffer = Buffer.alloc(0);
  socket.on('data', (data) => {
    buffer = Buffer.concat([buffer, data]);
    socket.write(buffer);
    if (buffer.length > 65536 || buffer[buffer.length - 1] === 10) {
      buffer = Buffer.alloc(0);
    }
  });
  socket.on('error', () => socket.destroy());
}

net.createServer(onClient).listen(Number(process.argv[2]), '0.0.0.0', () => {
  console.log('echo server started');
});

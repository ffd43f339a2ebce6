const dgram = require('dgram');

const socket = dgram.createSocket('udp4');
let client = null;

socket.on('message', (message, remote) => {
  if (client === null) {
    client = { host: remote.address, port: remote.port };
    console.log('client is', client);
  }
  socket.send(message, 0, message.length, client.port, client.host);
});

socket.bind(Number(process.argv[2]), '0.0.0.0');

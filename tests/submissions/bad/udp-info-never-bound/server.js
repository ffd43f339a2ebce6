const dgram = require('dgram');

const PORT = +process.argv[2];
const sock = dgram.createSocket('udp4');

sock.on('message', (data, from) => {
  console.log('got "' + data.toString() + '"');
  console.log('ip ' + from.address + ', port ' + from.port);
});

sock.on('listening', () => {
  console.log('ready for datagrams on ' + PORT);
});

sock.bind();

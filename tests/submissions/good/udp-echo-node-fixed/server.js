const dgram = require('dgram');
const server = dgram.createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });

server.on('message', (msg, rinfo) => {
  server.send(msg, rinfo.port, rinfo.address, (err) => {
    if (err) console.error(err);
  });
});
server.on('error', (err) => console.error('server error', err));
server.bind(5004, () => console.log('UDP echo on 5004'));

'use strict';
const dgram = require('dgram');
const port = parseInt(process.argv[2], 10) || 5002;

const server = dgram.createSocket('udp6');

server.on('listening', () => {
  const a = server.address();
  console.log(`server listening ${a.address}:${a.port}`);
});

server.on('message', (msg, rinfo) => {
  console.log(`server got: ${msg} (${msg.length} bytes) from ${rinfo.address} port ${rinfo.port}`);
});

server.on('error', (err) => {
  console.log('server error:', err.message);
});

server.bind(port);

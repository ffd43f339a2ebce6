const net = require('net');
const port = process.argv[2];

const server = net.createServer();
server.on('connection', (client) => {
  const name = `${client.remoteAddress}:${client.remotePort}`;
  console.log(`${name} connected`);
  client.on('data', (chunk) => {
    process.stdout.write(chunk);
  });
  client.on('error', () => console.log(`${name} had trouble`));
  client.on('close', () => console.log(`${name} left`));
});
server.listen(port);

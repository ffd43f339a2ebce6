const net = require('net');
const { StringDecoder } = require('string_decoder');

const server = net.createServer({ allowHalfOpen: false }, (sock) => {
  const decoder = new StringDecoder('utf8');
  sock.on('data', (chunk) => {
    const text = decoder.write(chunk);
    console.log('%d characters', text.length);
    sock.write(text);
  });
  sock.on('error', (e) => console.log(e.message));
});

server.listen(process.argv[2], () => {
  console.log('listening on %j', server.address());
});

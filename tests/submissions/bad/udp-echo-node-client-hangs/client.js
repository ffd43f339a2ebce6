const dgram = require('dgram');
const rl = require('readline').createInterface({ input: process.stdin, output: process.stdout });

const [host, port] = process.argv.slice(2);
const sock = dgram.createSocket('udp4');

function ask() {
  rl.question('Message: ', (text) => {
    if (text === '') {
      rl.close();
      sock.close();
      return;
    }
    sock.send(Buffer.from(text), Number(port), host);
    sock.once('message', (msg) => {
      console.log('Echo: ' + msg.toString());
      ask();
    });
  });
}

rl.on('close', () => process.exit(0));
ask();

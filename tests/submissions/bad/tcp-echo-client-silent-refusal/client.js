const net = require('net');
const [host, port] = process.argv.slice(2);

const message = 'echo test, please ignore\n';
let answer = '';

const client = net.createConnection(Number(port), host);
client.on('connect', () => client.write(message));
client.on('data', (data) => {
  answer += data;
  if (answer.length >= message.length) {
    console.log('Server answered: ' + answer);
    client.end();
  }
});
client.on('error', () => process.exit(1));

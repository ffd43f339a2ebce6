const net = require('net');
const readline = require('readline');

const [port, host] = process.argv.slice(2);
const rl = readline.createInterface({ input: process.stdin, output: process.stdout, prompt: 'you: ' });
const socket = net.connect({ port: Number(port), host }, () => rl.prompt());

socket.setEncoding('utf8');
socket.on('data', (text) => {
  console.log('echo: ' + text.trimEnd());
  rl.prompt();
});
socket.on('end', () => rl.close());
socket.on('error', (err) => {
  console.error('Cannot talk to the server: ' + err.message);
  process.exit(1);
});

rl.on('line', (line) => {
  if (line === 'quit') return rl.close();
  socket.write(line + '\n');
});
rl.on('close', () => {
  socket.end();
  process.exitCode = process.exitCode || 0;
});

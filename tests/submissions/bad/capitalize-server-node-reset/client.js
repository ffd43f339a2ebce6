const net = require('net');
const readline = require('readline');

const sock = net.connect(5605, process.argv[2] || '127.0.0.1');
const rl = readline.createInterface({ input: process.stdin, output: process.stdout });

rl.setPrompt('text> ');
sock.on('connect', () => rl.prompt());
sock.on('data', (d) => {
  console.log(String(d).trim());
  rl.prompt();
});
sock.on('close', () => rl.close());
sock.on('error', (e) => console.log('problem: ' + e.code));
rl.on('line', (l) => sock.write(l + '\r\n'));
rl.on('close', () => sock.destroy());

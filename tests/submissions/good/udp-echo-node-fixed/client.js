const dgram = require('dgram');
const readline = require('readline');

const host = process.argv[2] || 'localhost';
const sock = dgram.createSocket('udp4');
const rl = readline.createInterface({ input: process.stdin });
const timers = new Map();

sock.on('message', (msg) => {
  const text = msg.toString();
  clearTimeout(timers.get(text));
  timers.delete(text);
  console.log('ECHO ' + text);
});
sock.on('error', (e) => console.log('ERROR ' + e.message));

rl.on('line', (line) => {
  sock.send(line, 5004, host);
  timers.set(line, setTimeout(() => {
    timers.delete(line);
    console.log('LOST ' + line);
  }, 1000));
});
rl.on('close', () => setTimeout(() => sock.close(), 200));
console.log('Type lines to echo.');

'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const readline = require('readline');
const { pack, unpacker } = require('./frames');

const [user, host, port] = process.argv.slice(2);
const socket = net.connect(Number(port), host);
const rl = readline.createInterface({ input: process.stdin });
let file = null;
let leaving = false;

socket.on('connect', () => socket.write(pack('N', { name: user })));
socket.on('data', unpacker((type, body) => {
  if (type === 'D') return file.parts.push(Buffer.from(body));
  const m = JSON.parse(body.toString());
  if (type === 'T') {
    console.log(m.from ? `${m.from}: ${m.text}` : m.text);
  } else if (type === 'H') {
    file = { ...m, parts: [] };
  } else if (type === 'E') {
    fs.mkdirSync(user, { recursive: true });
    const target = path.join(user, file.name);
    fs.writeFileSync(target, Buffer.concat(file.parts));
    console.log(`Datei ${target}: ${file.parts.length} Bytes`);
  }
}));
socket.on('error', (e) => console.log(`Fehler: ${e.message}`));
socket.on('close', () => {
  if (!leaving) console.log('Der Server ist nicht (mehr) da.');
  process.exit(leaving ? 0 : 1);
});

rl.on('line', (line) => {
  const [word, ...rest] = line.split(' ');
  if (word === 'all') socket.write(pack('A', { text: rest.join(' ') }));
  else if (word === 'msg') socket.write(pack('P', { to: rest[0], text: rest.slice(1).join(' ') }));
  else if (word === 'ls') socket.write(pack('L', {}));
  else if (word === 'download') socket.write(pack('G', { name: rest.join(' ') }));
  else if (word === 'exit') { leaving = true; socket.end(); }
  else console.log('all TEXT | msg NAME TEXT | ls | download FILE | exit');
});
rl.on('close', () => { leaving = true; socket.end(); });

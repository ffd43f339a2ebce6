'use strict';
const fs = require('fs');
const net = require('net');
const path = require('path');
const { pack, unpacker } = require('./frames');

const shared = process.env.SERVER_SHARED_FILES || 'SharedFiles';
const members = new Map();

function toAll(except, object) {
  for (const [name, socket] of members) {
    if (name !== except) socket.write(pack('T', object));
  }
}

function sendFile(socket, name) {
  fs.readFile(path.join(shared, path.basename(name)), (err, data) => {
    if (err) return socket.write(pack('T', { text: 'Diese Datei gibt es nicht.' }));
    socket.write(pack('H', { name: path.basename(name), size: data.length }));
    for (let i = 0; i < data.length; i += 16384) socket.write(pack('D', data.subarray(i, i + 16384)));
    socket.write(pack('E', { name: path.basename(name) }));
  });
}

net.createServer((socket) => {
  let me = null;
  console.log(`Verbindung von ${socket.remoteAddress}, Port ${socket.remotePort}`);
  socket.write(pack('T', { text: 'Willkommen im Plauderraum!' }));

  socket.on('data', unpacker((type, body) => {
    const m = JSON.parse(body.toString());
    if (type === 'N') {
      me = m.name;
      members.set(me, socket);
      toAll(me, { text: `${me} ist jetzt da` });
    } else if (type === 'A') {
      toAll(me, { from: me, text: m.text });
    } else if (type === 'P') {
      const target = members.get(m.to);
      if (target) target.write(pack('T', { from: me + ' (nur an dich)', text: m.text }));
      else socket.write(pack('T', { text: `${m.to} ist nicht da` }));
    } else if (type === 'L') {
      const names = fs.readdirSync(shared);
      socket.write(pack('T', { text: `${names.length} Dateien: ${names.join('  ')}` }));
    } else if (type === 'G') {
      sendFile(socket, m.name);
    }
  }));
  socket.on('error', (e) => console.log(`${me}: ${e.code}`));
  socket.on('close', () => {
    if (me === null) return;
    members.delete(me);
    toAll(me, { text: `${me} ist gegangen` });
  });
}).listen(Number(process.argv[2]), () => console.log('bereit'));

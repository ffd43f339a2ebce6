const dgram = require('dgram');
const s = dgram.createSocket('udp4');
s.on('message', (m, r) => console.log(`[${r.address}] ${m}`));
s.bind(5008, () => console.log('receiver ready'));

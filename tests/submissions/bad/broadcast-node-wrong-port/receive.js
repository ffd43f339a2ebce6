const dgram = require('dgram');
const s = dgram.createSocket({ type: 'udp4', reuseAddr: true });
s.on('message', (m, r) => console.log(`[${r.address}] ${m}`));
s.bind(5008, () => console.log('receiver ready'));

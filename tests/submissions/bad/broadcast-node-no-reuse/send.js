const dgram = require('dgram');
const target = process.argv[2] || '255.255.255.255';
const s = dgram.createSocket('udp4');
const word = Math.random().toString(36).slice(2);
let left = 3;

s.bind(() => {
  s.setBroadcast(true);
  const timer = setInterval(() => {
    s.send(`breaking news: ${word}`, 5008, target, (err) => {
      if (err) console.error(err.message);
      if (--left === 0) {
        clearInterval(timer);
        s.close();
      }
    });
  }, 1000);
});

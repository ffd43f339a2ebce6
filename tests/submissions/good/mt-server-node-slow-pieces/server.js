const net = require('net');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function answer(socket, text) {
  const reply = `answer to "${text}"\n`;
  for (let i = 0; i < reply.length && !socket.destroyed; i += 5) {
    socket.write(reply.slice(i, i + 5));
    await pause(5);
  }
}

net.createServer((socket) => {
  let work = Promise.resolve();
  socket.setEncoding('utf8');
  socket.setNoDelay(true);
  socket.on('data', (text) => {
    work = work.then(() => answer(socket, text.trim()));
  });
  socket.on('error', () => {});
}).listen(Number(process.argv[2]));

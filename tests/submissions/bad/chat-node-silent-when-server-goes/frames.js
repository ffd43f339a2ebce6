'use strict';
// a frame: 4 bytes length (big endian), 1 byte type, the body
exports.pack = (type, body) => {
  const data = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length + 1, 0);
  head.write(type, 4, 1, 'latin1');
  return Buffer.concat([head, data]);
};

exports.unpacker = (onFrame) => {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const end = 4 + rest.readUInt32BE(0);
      onFrame(String.fromCharCode(rest[4]), rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  };
};

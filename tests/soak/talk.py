"""A connection to the chat, read as the protocol says: lines, and the raw bytes of transfers between them."""

import asyncio
import hashlib
import socket
import struct

WELCOME = "* netlab chat 1"
# Far more than the server may take over anything, on a machine that does other things too.
PATIENCE = 180


class Gone(Exception):
    """The server closed, or reset."""


class Talk:
    """Reads always, in a task of its own; who waits for an answer names it with `until`."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.transfers = {}  # id -> Transfer
        self.ended = []  # transfers that came to their end
        self.farewell = None  # `! server is going down`, if it said so
        self.heard = lambda line: None  # called with each line of a person
        self.may_read = asyncio.Event()  # cleared by who stops reading
        self.may_read.set()
        self.asked = None  # what a waiting `until` asks of a line, and its future
        self.pump = asyncio.create_task(self.read())

    @classmethod
    async def open(cls, port, receive_buffer=None):
        made = socket.socket()
        made.setblocking(False)
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port)), PATIENCE)
            return cls(*await asyncio.open_connection(sock=made, limit=1 << 17))
        except BaseException:
            made.close()
            raise

    def say(self, line):
        self.writer.write(line.encode() + b"\n")

    async def flush(self):
        try:
            await asyncio.wait_for(self.writer.drain(), PATIENCE)
        except OSError as error:
            raise Gone(str(error)) from error

    async def read(self):
        """Until the end, which it returns as a word."""
        try:
            while True:
                await self.may_read.wait()
                line = await self.reader.readline()
                if not line.endswith(b"\n"):
                    return "end of stream"
                text = line[:-1].decode()
                if not await self.transferred(text):
                    self.take(text)
        except (OSError, asyncio.IncompleteReadError, UnicodeDecodeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    def take(self, text):
        if text.startswith("! server is going down"):
            self.farewell = text
        if text.startswith("<"):
            self.heard(text)
        if self.asked and not self.asked[1].done() and self.asked[0](text):
            self.asked[1].set_result(text)

    async def until(self, wanted):
        """The next line to which `wanted` says yes; `Gone` when there will be none."""
        self.asked = (wanted, asyncio.get_running_loop().create_future())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self.asked[1], self.pump], return_when=asyncio.FIRST_COMPLETED)
        if not self.asked[1].done():
            raise Gone(self.pump.result())
        return self.asked[1].result()

    async def transferred(self, text):
        """Takes a line of a transfer, with what follows it."""
        kind, _, rest = text.partition(" ")
        words = rest.split(" ")
        if kind == "#":
            self.transfers[words[0]] = Transfer(rest.split(" ", 2)[2], int(words[1]))
        elif kind == "+":
            self.transfers[words[0]].take(await self.reader.readexactly(int(words[1])))
        elif kind == "." or (kind == "!" and words[0] in self.transfers):
            transfer = self.transfers.pop(words[0])
            transfer.outcome = rest.split(" ", 1)[1]
            transfer.whole = kind == "."
            self.ended.append(transfer)
        else:
            return False
        return True

    async def come_in(self, name):
        await self.until(lambda line: line.startswith(WELCOME))
        self.say(f"/name {name}")
        answer = await self.until(lambda line: line == f"* {name} has joined" or line.startswith("!"))
        if answer.startswith("!"):
            raise Gone(answer)

    async def transfer_begins(self):
        await self.see(lambda: self.transfers or self.ended)

    async def transfers_over(self):
        await self.see(lambda: not self.transfers)

    async def see(self, wanted):
        """Waits until it is so, as long as the connection lasts."""
        while not wanted():
            if self.pump.done():
                raise Gone(self.pump.result())
            await asyncio.sleep(0.02)

    async def end(self):
        """Reads to the end of the stream; how it ended."""
        return await asyncio.wait_for(asyncio.shield(self.pump), PATIENCE)

    def half_close(self):
        self.writer.write_eof()

    def reset(self):
        """Closes with RST: what was not sent is lost, and what was not read."""
        made = self.writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self):
        self.pump.cancel()
        self.writer.close()


class Transfer:
    """What has come of a file."""

    def __init__(self, name, size):
        self.name, self.size, self.got = name, size, 0
        self.hash = hashlib.sha256()
        self.outcome, self.whole = None, False

    def take(self, chunk):
        self.got += len(chunk)
        self.hash.update(chunk)

import asyncio
import sys
import uuid


class Session:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.id = uuid.uuid4().hex[:12]

    async def run(self):
        print(f"session {self.id} opened")
        try:
            while line := await self.reader.readline():
                text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
                if text.strip() == "CLOSE SOCKET":
                    self.writer.write(b"CLOSING SOCKET, BYE\r\n")
                    continue
                self.writer.write(text.upper().encode("utf-8", "surrogateescape") + b"\r\n")
                await self.writer.drain()
        except (ConnectionError, ValueError) as e:
            print(f"session {self.id} aborted: {e!r}")
        finally:
            self.writer.close()
            print(f"session {self.id} closed")


async def main():
    server = await asyncio.start_server(lambda r, w: Session(r, w).run(), "localhost", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())

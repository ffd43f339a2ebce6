import asyncio
import sys


async def handle(reader, writer):
    try:
        while chunk := await reader.read(4096):
            writer.write(chunk.upper())
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def main(port):
    server = await asyncio.start_server(handle, None, port)
    for s in server.sockets:
        print("serving on", s.getsockname())
    async with server:
        await server.serve_forever()


asyncio.run(main(int(sys.argv[1])))

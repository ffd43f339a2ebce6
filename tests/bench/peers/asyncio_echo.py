"""Echo as a Python program has it: asyncio_echo.py tcp|udp."""

import asyncio
import socket
import sys


class Stream(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def main(proto):
    loop = asyncio.get_running_loop()
    if proto == "tcp":
        server = await loop.create_server(Stream, "127.0.0.1", 0, backlog=4096)
        host, port = server.sockets[0].getsockname()
    else:
        transport, _ = await loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", 0), family=socket.AF_INET
        )
        host, port = transport.get_extra_info("sockname")
    print(f"listening on {proto} {host}:{port}", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))

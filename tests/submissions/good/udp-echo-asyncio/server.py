import argparse
import asyncio
import time


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        print("ready on", transport.get_extra_info("sockname"), flush=True)

    def datagram_received(self, data, addr):
        print(f"{time.strftime('%X')} {addr[0]}:{addr[1]} {len(data)} bytes", flush=True)
        asyncio.get_running_loop().call_later(0.05, self.transport.sendto, data, addr)

    def error_received(self, exc):
        print("error:", exc)


async def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--bind", default="0.0.0.0")
    ap.add_argument("--port", type=int, default=5004)
    o = ap.parse_args()
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=(o.bind, o.port))
    await asyncio.Event().wait()


asyncio.run(main())

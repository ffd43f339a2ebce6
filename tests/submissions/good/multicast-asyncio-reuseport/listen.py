import argparse
import asyncio
import socket

HOME_GROUP = "239.255.77.77"


class Printer(asyncio.DatagramProtocol):
    def datagram_received(self, data, addr):
        print(f"{addr[0]}:{addr[1]} > {data.decode('utf-8', 'replace').rstrip()}", flush=True)


def open_socket(groups, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("0.0.0.0", port))
    for group in groups:
        request = socket.inet_aton(group) + socket.inet_aton("0.0.0.0")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)
    return sock


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--group", required=True)
    parser.add_argument("--port", type=int, required=True)
    opts = parser.parse_args()
    sock = open_socket({opts.group, HOME_GROUP}, opts.port)
    await asyncio.get_running_loop().create_datagram_endpoint(Printer, sock=sock)
    print("listening", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())

import select
import socket
import sys

BUFFER = 65535


def receive_all(sock):
    """Read until the sender pauses."""
    data, sender = sock.recvfrom(BUFFER)
    while select.select([sock], [], [], 0.1)[0]:
        more, sender = sock.recvfrom(BUFFER)
        data += more
    return data, sender


sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", int(sys.argv[1])))
while True:
    message, client = receive_all(sock)
    print(len(message), "bytes from", client)
    sock.sendto(message[:65507], client)

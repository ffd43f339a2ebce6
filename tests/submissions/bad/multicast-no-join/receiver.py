import socket
import struct
import sys

group, port = sys.argv[1], int(sys.argv[2])

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", port))
print("listening for", group)
while True:
    data, sender = sock.recvfrom(10240)
    print(sender[0], "says", data.decode(errors="replace"))

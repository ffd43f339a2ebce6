import socket
import sys

sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
sock.bind(("::", int(sys.argv[1])))
buffer = bytearray(65536)
while True:
    length, sender, = sock.recvfrom_into(buffer)
    sock.sendto(memoryview(buffer)[:length], sender)
    print(".", end="", flush=True)

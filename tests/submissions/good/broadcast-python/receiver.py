import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.bind(("", int(sys.argv[1])))
print("Waiting for a broadcast...")
while True:
    data, addr = s.recvfrom(1024)
    print("Received from", addr, ":", data.decode())

import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", int(sys.argv[1])))

while True:
    data, address = sock.recvfrom(2048)
    print("datagram received, the sender's port is", address[1])

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", int(sys.argv[1])))
    while True:
        packet, sender = s.recvfrom(65536)
        s.sendto(packet, sender)

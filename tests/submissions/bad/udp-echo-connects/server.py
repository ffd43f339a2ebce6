import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", int(sys.argv[1])))
    packet, sender = s.recvfrom(65536)
    s.connect(sender)
    while True:
        try:
            s.send(packet)
            packet = s.recv(65536)
        except ConnectionRefusedError:
            packet = s.recv(65536)

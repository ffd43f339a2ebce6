import socket
import sys

group, port = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)

while True:
    try:
        message = input("to the group: ")
    except EOFError:
        break
    if not message:
        break
    sock.sendto(message.encode(), (group, port))

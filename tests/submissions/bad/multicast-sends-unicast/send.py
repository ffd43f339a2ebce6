import socket
import sys

if len(sys.argv) != 3:
    sys.exit("usage: send.py GROUP PORT")

multicast_group = sys.argv[1]
port = int(sys.argv[2])

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
for line in sys.stdin:
    sock.sendto(line.rstrip("\n").encode(), ("127.0.0.1", port))
    print("sent to group", multicast_group)

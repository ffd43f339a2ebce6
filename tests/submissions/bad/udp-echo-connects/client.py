import socket
import sys

TRIES = 3

server = (sys.argv[1], int(sys.argv[2]))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(1.0)

message = input("What shall I send? ")
for attempt in range(1, TRIES + 1):
    sock.sendto(message.encode(), server)
    try:
        data, _ = sock.recvfrom(65536)
    except socket.timeout:
        print(f"attempt {attempt}: no answer")
        continue
    print("The server echoed:", data.decode())
    break
else:
    print("Giving up.")
    sys.exit(1)

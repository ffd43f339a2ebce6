import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("waiting for a client")
peer = None
while True:
    try:
        message, sender = s.recvfrom(4096)
    except ConnectionRefusedError:
        continue
    if peer is None:
        peer = sender
        s.connect(peer)
    print(f"message {message!r} from IP {sender[0]} and port {sender[1]}")

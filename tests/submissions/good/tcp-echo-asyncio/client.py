import socket
import sys

MESSAGE = "The quick brown fox jumps over the lazy dog, 13 times: äöü €\n"

host, port = sys.argv[1:3]
with socket.create_connection((host, int(port)), timeout=10) as sock:
    sock.sendall(MESSAGE.encode("utf-8"))
    sock.shutdown(socket.SHUT_WR)
    answer = bytearray()
    while True:
        part = sock.recv(7)
        if part == b"":
            break
        answer.extend(part)
print("Received:", answer.decode("utf-8"))

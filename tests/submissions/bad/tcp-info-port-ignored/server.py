import socket
import sys

PORT = 5001

if len(sys.argv) != 2:
    print("usage: server.py PORT")
    sys.exit(1)

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", PORT))
s.listen()
print("server ready")

while True:
    conn, (ip, port) = s.accept()
    print("client", ip, port)
    conn.close()

import socket
import sys

port = int(sys.argv[1])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", port))
server.listen()
print("UDP server ready on port", port)
while True:
    conn, addr = server.accept()
    message = conn.recv(1024)
    print("message:", message.decode())
    print("from:", addr[0], addr[1])
    conn.close()

import socket
import sys
from threading import Thread


def handle(sock):
    while True:
        try:
            data = sock.recv(8192)
        except OSError:
            break
        if not data:
            break
        message = data.strip()
        print("got", message)
        try:
            sock.sendall(message + b"\n")
        except OSError:
            break
    sock.close()


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", int(sys.argv[1])))
listener.listen(10)
while True:
    connection, _ = listener.accept()
    Thread(target=handle, args=[connection], daemon=True).start()

import socket
import sys
from threading import Thread


def handle(conn):
    with conn:
        try:
            while data := conn.recv(1024):
                conn.sendall(b"reply: " + data)
        except ConnectionError:
            print("client lost")


s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1])))
s.listen(25)
print("multithreaded server started")
while True:
    conn, addr = s.accept()
    print("got connection from", addr)
    t = Thread(target=handle(conn))
    t.start()

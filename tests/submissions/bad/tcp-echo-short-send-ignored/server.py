import selectors
import socket
import sys

sel = selectors.DefaultSelector()


def accept(sock):
    conn, addr = sock.accept()
    print("accepted", conn, "from", addr)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    conn.setblocking(False)
    sel.register(conn, selectors.EVENT_READ, read)


def read(conn):
    try:
        data = conn.recv(65536)
        if data:
            conn.send(data)
            return
    except BlockingIOError:
        return
    except ConnectionError as e:
        print("error", e)
    print("closing", conn)
    sel.unregister(conn)
    conn.close()


sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("localhost", int(sys.argv[1])))
sock.listen(100)
sock.setblocking(False)
sel.register(sock, selectors.EVENT_READ, accept)

while True:
    for key, _ in sel.select():
        key.data(key.fileobj)

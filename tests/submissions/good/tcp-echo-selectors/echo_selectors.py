"""Echo server with selectors; never blocks on anybody."""
import selectors
import socket
import sys

sel = selectors.DefaultSelector()
pending = {}


def accept(sock, _mask):
    conn, addr = sock.accept()
    conn.setblocking(False)
    pending[conn] = bytearray()
    sel.register(conn, selectors.EVENT_READ, serve)
    print("accepted", addr)


def close(conn):
    sel.unregister(conn)
    del pending[conn]
    conn.close()


def serve(conn, mask):
    out = pending[conn]
    try:
        if mask & selectors.EVENT_READ and len(out) < 1 << 20:
            data = conn.recv(16384)
            if not data:
                conn.setblocking(True)
                conn.sendall(out)
                return close(conn)
            out += data
        if out:
            sent = conn.send(out)
            del out[:sent]
    except BlockingIOError:
        pass
    except OSError as exc:
        print("dropping client:", exc)
        return close(conn)
    wanted = selectors.EVENT_READ if len(out) < 1 << 20 else 0
    if out:
        wanted |= selectors.EVENT_WRITE
    sel.modify(conn, wanted, serve)


lsock = socket.create_server((sys.argv[1], int(sys.argv[2])))
lsock.setblocking(False)
sel.register(lsock, selectors.EVENT_READ, accept)
while True:
    for key, mask in sel.select():
        key.data(key.fileobj, mask)

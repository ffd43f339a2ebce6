import itertools
import selectors
import socket
import sys

sel = selectors.DefaultSelector()
ids = itertools.count(1000)


class Peer:
    def __init__(self, sock):
        self.sock, self.buffer, self.closing = sock, b"", False
        print("peer id", next(ids), flush=True)

    def drop(self):
        sel.unregister(self.sock)
        self.sock.close()

    def readable(self):
        try:
            data = self.sock.recv(4096)
            if not data:
                return self.drop()
            self.buffer += data
            while b"\n" in self.buffer and not self.closing:
                line, _, self.buffer = self.buffer.partition(b"\n")
                if b"CLOSE SOCKET" in line:
                    self.closing = True
                    self.sock.shutdown(socket.SHUT_WR)
                else:
                    self.sock.sendall(line.upper() + b"\n")
        except OSError:
            self.drop()


port = next((int(a.split("=")[1]) for a in sys.argv if a.startswith("--port=")), 5605)
door = socket.create_server(("", port))
sel.register(door, selectors.EVENT_READ, None)
while True:
    for key, _ in sel.select():
        if key.data:
            key.data.readable()
        else:
            conn, _ = door.accept()
            sel.register(conn, selectors.EVENT_READ, Peer(conn))

import getopt
import selectors
import socket
import sys
import time

opts, _ = getopt.getopt(sys.argv[1:], "p:")
port = int(dict(opts).get("-p", 5009))
sel = selectors.DefaultSelector()


def hello(listener):
    conn, _ = listener.accept()
    sel.register(conn, selectors.EVENT_READ, talk)


def talk(conn):
    try:
        said = conn.recv(1024)
        if said:
            conn.sendall(time.strftime("[%H:%M:%S] ").encode() + said.strip())
            return
    except OSError:
        pass
    sel.unregister(conn)
    conn.close()


listener = socket.create_server(("", port), backlog=50)
sel.register(listener, selectors.EVENT_READ, hello)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)

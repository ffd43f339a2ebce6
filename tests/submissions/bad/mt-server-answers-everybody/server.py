import getopt
import selectors
import socket
import sys
import time

opts, _ = getopt.getopt(sys.argv[1:], "p:")
port = int(dict(opts).get("-p", 5009))
sel = selectors.DefaultSelector()


everybody = set()


def hello(listener):
    conn, _ = listener.accept()
    everybody.add(conn)
    sel.register(conn, selectors.EVENT_READ, talk)


def talk(conn):
    try:
        said = conn.recv(1024)
        if said:
            reply = time.strftime("[%H:%M:%S] ").encode() + said.strip() + b"\n"
            for one in everybody:
                try:
                    one.sendall(reply)
                except OSError:
                    print("one is gone")
            return
    except OSError:
        pass
    everybody.discard(conn)
    sel.unregister(conn)
    conn.close()


listener = socket.create_server(("", port), backlog=50)
sel.register(listener, selectors.EVENT_READ, hello)
while True:
    for key, _ in sel.select():
        key.data(key.fileobj)

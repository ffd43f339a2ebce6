import socket
import sys
import threading

clients = {}
lock = threading.Lock()


def handle(conn):
    with lock:
        my_id = len(clients) + 1
        clients[conn] = my_id
    try:
        conn.sendall(b"Your client id is %d\n" % my_id)
        while True:
            data = conn.recv(1024)
            if not data or b"CLOSE SOCKET" in data:
                break
            conn.sendall(data.upper())
    except OSError:
        pass
    with lock:
        del clients[conn]
    conn.close()


s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", int(sys.argv[1])))
s.listen()
while True:
    c, _ = s.accept()
    threading.Thread(target=handle, args=(c,), daemon=True).start()

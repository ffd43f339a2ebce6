import socket
import sys
import threading

lock = threading.Lock()
last_id = 0


def next_id():
    global last_id
    with lock:
        last_id += 1
        return last_id


def serve(conn):
    client_id = next_id()
    print(f"Client {client_id} connected")
    with conn:
        try:
            conn.sendall(f"Welcome! You are client {client_id}.\n".encode())
            while True:
                data = conn.recv(4096)
                if not data or b"CLOSE SOCKET" in data:
                    break
                conn.sendall(data.decode(errors="replace").upper().encode())
        except OSError as e:
            print(f"Client {client_id}: {e}")
    print(f"Client {client_id} disconnected")


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", int(sys.argv[1])))
server.listen(20)
while True:
    connection, _ = server.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()

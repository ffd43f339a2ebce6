import socket
import sys
import threading


def client_thread(conn, number):
    try:
        conn.sendall(f"Hello, you are guest number {number}.\n".encode())
        while True:
            data = conn.recv(4096)
            if not data:
                break
            for line in data.decode(errors="replace").splitlines():
                print(f"guest {number}: {line}")
                conn.sendall(f"Server: I heard '{line}'\n".encode())
    except OSError as error:
        print(f"guest {number} is gone: {error}")
    finally:
        conn.close()


server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", int(sys.argv[1])))
server.listen(64)
count = 0
while True:
    conn, _ = server.accept()
    count += 1
    threading.Thread(target=client_thread, args=(conn, count)).start()

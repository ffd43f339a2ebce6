import os
import socket
import sys
import threading


def serve(conn, number):
    print("serving client", number, flush=True)
    while True:
        try:
            request = conn.recv(4096)
        except OSError:
            break
        if not request:
            break
        if b"CLOSE SOCKET" in request:
            print("close requested, shutting down", flush=True)
            conn.close()
            os._exit(0)
        conn.sendall(request.upper())
    conn.close()


def main():
    number = 0
    with socket.create_server(("", int(sys.argv[1]))) as server:
        while True:
            conn, _ = server.accept()
            number += 1
            threading.Thread(target=serve, args=(conn, number)).start()


main()

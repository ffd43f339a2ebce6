import concurrent.futures
import socket
import sys

MAX_WORKERS = 10


def converse(connection):
    with connection:
        while True:
            try:
                question = connection.recv(4096)
            except OSError:
                return
            if not question:
                return
            connection.sendall(b"-> " + question)


with socket.create_server(("", int(sys.argv[1])), backlog=64) as s:
    with concurrent.futures.ThreadPoolExecutor(max_workers=MAX_WORKERS) as executor:
        while True:
            connection, _ = s.accept()
            executor.submit(converse, connection)

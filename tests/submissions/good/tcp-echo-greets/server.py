import socket
import sys
from concurrent.futures import ThreadPoolExecutor

BANNER = b"*** ECHO SERVICE ***\r\nType anything, I will repeat it.\r\n"


def serve(conn, who):
    try:
        conn.sendall(BANNER)
        while True:
            block = conn.recv(65536)
            if not block:
                break
            conn.sendall(block)
    except OSError as problem:
        print(who, "failed with", problem)
    finally:
        conn.close()
        print("served", who)


port = int(sys.argv[1])
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening, ThreadPoolExecutor(64) as pool:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(32)
    while True:
        pool.submit(serve, *listening.accept())

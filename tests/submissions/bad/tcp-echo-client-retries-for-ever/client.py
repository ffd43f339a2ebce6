import socket
import sys
import time


def connect(host, port):
    while True:
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            s.connect((host, port))
            return s
        except OSError:
            s.close()
            time.sleep(0.5)


sock = connect(sys.argv[1], int(sys.argv[2]))
for line in sys.stdin:
    sock.sendall(line.encode())
    data = b""
    while not data.endswith(b"\n"):
        more = sock.recv(4096)
        if not more:
            sys.exit("server hung up")
        data += more
    print("Echo:", data.decode().rstrip(), flush=True)

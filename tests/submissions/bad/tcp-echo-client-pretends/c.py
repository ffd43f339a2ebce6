import argparse
import select
import socket
import sys

p = argparse.ArgumentParser()
p.add_argument("--host", default="localhost")
p.add_argument("--port", type=int, default=5003)
a = p.parse_args()

s = socket.socket()
s.connect_ex((a.host, a.port))
print("connected to", a.host)
while True:
    ready, _, _ = select.select([sys.stdin, s], [], [])
    if s in ready:
        try:
            data = s.recv(4096)
        except OSError:
            continue
        if not data:
            print("bye")
            break
        sys.stdout.write("<< " + data.decode(errors="replace"))
    if sys.stdin in ready:
        line = sys.stdin.readline()
        if not line:
            print("bye")
            break
        try:
            s.sendall(line.encode())
        except OSError:
            break
s.close()

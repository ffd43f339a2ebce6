import argparse
import select
import socket
import sys

p = argparse.ArgumentParser()
p.add_argument("--host", default="localhost")
p.add_argument("--port", type=int, default=5003)
a = p.parse_args()

s = socket.socket()
code = s.connect_ex((a.host, a.port))
if code:
    print("connect failed, error number", code, "- no server there?")
    sys.exit(code)
print("connected to", s.getpeername())
while True:
    ready, _, _ = select.select([sys.stdin, s], [], [])
    if s in ready:
        data = s.recv(4096)
        if not data:
            print("connection closed by server")
            break
        sys.stdout.write("<< " + data.decode(errors="replace"))
    if sys.stdin in ready:
        line = sys.stdin.readline()
        if not line:
            print("bye")
            break
        s.sendall(line.encode())
s.close()

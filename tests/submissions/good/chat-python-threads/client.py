import os
import socket
import sys
import threading

user, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def save(stream, size, name):
    os.makedirs(user, exist_ok=True)
    path = os.path.join(user, name)
    left = size
    with open(path, "wb") as f:
        while left > 0:
            block = stream.read(min(left, 4096))
            if not block:
                break
            f.write(block)
            left -= len(block)
    print(f"saved {path}, {size} bytes")


def listen(stream):
    try:
        for line in stream:
            if line.startswith(b"FILE "):
                _, size, name = line.decode().rstrip("\n").split(" ", 2)
                save(stream, int(size), name)
            else:
                print(line.decode(errors="replace"), end="", flush=True)
    except OSError:
        pass
    print("The server has gone away.", flush=True)
    os._exit(1)


try:
    sock = socket.create_connection((host, port))
except OSError as e:
    sys.exit(f"Cannot reach the chat server: {e}")
sock.sendall(user.encode() + b"\n")
threading.Thread(target=listen, args=(sock.makefile("rb"),), daemon=True).start()
for line in sys.stdin:
    sock.sendall(line.encode())
    if line.strip() == "/quit":
        break
print("Bye.", flush=True)
os._exit(0)

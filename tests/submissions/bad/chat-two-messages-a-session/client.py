import os
import socket
import sys
import threading


def fetch(address, user, name):
    with socket.create_connection(address) as s, s.makefile("rb") as stream:
        s.sendall(f"GET {name}\n".encode())
        size = int(stream.readline())
        if size < 0:
            return print("the server has no such file")
        os.makedirs(user, exist_ok=True)
        with open(os.path.join(user, os.path.basename(name)), "wb") as f:
            f.write(stream.read(size))
        print(f"{name}: {size} bytes written to folder {user}/")


def listen(sock):
    try:
        with sock.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                print("\r" + line.rstrip("\n"))
    except OSError:
        pass
    print("\rthe server hung up")
    os._exit(1)


def start(user, host, port):
    try:
        sock = socket.create_connection((host, port))
    except OSError as e:
        print("no connection:", e)
        sys.exit(1)
    sock.sendall(f"USER {user}\n".encode())
    threading.Thread(target=listen, args=(sock,), daemon=True).start()
    while True:
        try:
            text = input(f"{user}> ")
        except EOFError:
            text = "/bye"
        if text.startswith("/fetch "):
            try:
                fetch((host, port), user, text[7:])
            except OSError as e:
                print("download failed:", e)
            continue
        sock.sendall(text.encode() + b"\n")
        if text == "/bye":
            os._exit(0)

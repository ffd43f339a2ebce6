import base64
import json
import os
import pathlib
import socket
import sys
import threading

address, user = sys.argv[1:3]
host, port = address.rsplit(":", 1)
folder = pathlib.Path(user)
incoming = {}


def show(text):
    print(text, flush=True)


def handle(m):
    if m["kind"] == "info":
        show("-- " + m["text"])
    elif m["kind"] == "said":
        show(f"<{m['who']}> {m['text']}")
    elif m["kind"] == "private":
        show(f"<{m['who']} whispers> {m['text']}")
    elif m["kind"] == "files":
        show(f"there are {m['count']} files: " + ", ".join(m["names"]))
    elif m["kind"] == "chunk":
        incoming[m["file"]] = incoming.get(m["file"], b"") + base64.b64decode(m["data"])
    elif m["kind"] == "done":
        folder.mkdir(exist_ok=True)
        size = (folder / m["file"]).write_bytes(incoming.pop(m["file"], b""))
        show(f"-- {m['file']} is here: {size} bytes, expected {m['size']}")


def reader(sock):
    try:
        for line in sock.makefile("rb"):
            handle(json.loads(line))
    except OSError as e:
        show(f"-- network error: {e}")
    show("-- connection to the server lost")
    os._exit(1)


def send(sock, **m):
    sock.sendall(json.dumps(m).encode() + b"\n")


try:
    sock = socket.create_connection((host, int(port)))
except ConnectionRefusedError:
    sys.exit("no chat server there")
threading.Thread(target=reader, args=[sock], daemon=True).start()
send(sock, kind="hello", name=user)
for line in map(str.strip, sys.stdin):
    if line == "!bye":
        break
    if line == "!files":
        send(sock, kind="files")
    elif line.startswith("!get "):
        send(sock, kind="get", file=line[5:])
    elif line.startswith("@"):
        to, _, text = line[1:].partition(" ")
        send(sock, kind="private", to=to, text=text)
    elif line:
        send(sock, kind="say", text=line)
        show(f"[you] {line}")
os._exit(0)

import argparse
import base64
import json
import os
import pathlib
import selectors
import socket

FOLDER = pathlib.Path(os.environ.get("SERVERSHAREDFILES", "SharedFiles"))
sel = selectors.DefaultSelector()
peers = []


class Peer:
    def __init__(self, sock, addr):
        self.sock, self.name, self.buffer = sock, None, b""
        print("peer", addr[0], "port", addr[1], "connected", flush=True)
        peers.append(self)
        sel.register(sock, selectors.EVENT_READ, self)
        self.send(kind="info", text="Welcome to JSON chat. Talk, or !files, !get NAME, @NAME TEXT, !bye.")

    def send(self, **message):
        try:
            self.sock.sendall(json.dumps(message, ensure_ascii=False).encode() + b"\n")
        except OSError:
            pass

    def others(self):
        return [p for p in peers if p is not self and p.name]

    def leave(self):
        sel.unregister(self.sock)
        peers.remove(self)
        self.sock.close()
        for p in self.others():
            p.send(kind="info", text=f"{self.name} left the chat")

    def readable(self):
        try:
            data = self.sock.recv(4096)
        except OSError:
            data = b""
        if not data:
            return self.leave()
        self.buffer += data
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            getattr(self, "on_" + json.loads(line)["kind"])(json.loads(line))

    def on_hello(self, m):
        self.name = m["name"]
        for p in self.others():
            p.send(kind="info", text=f"{self.name} joined the chat")

    def on_say(self, m):
        for p in self.others():
            p.send(kind="said", who=self.name, text=m["text"])

    def on_private(self, m):
        for p in self.others():
            if p.name == m["to"]:
                p.send(kind="private", who=self.name, text=m["text"])

    def on_files(self, _):
        files = sorted(f.name for f in FOLDER.iterdir() if f.is_file())
        self.send(kind="files", count=len(files), names=files)

    def on_get(self, m):
        path = FOLDER / pathlib.Path(m["file"]).name
        if not path.is_file():
            return self.send(kind="info", text="there is no such file")
        data = path.read_bytes()
        for at in range(0, len(data), 3000):
            self.send(kind="chunk", file=path.name, data=base64.b64encode(data[at:at + 3000]).decode())
        self.send(kind="done", file=path.name, size=len(data))


parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=2000)
listener = socket.create_server(("0.0.0.0", parser.parse_args().port))
sel.register(listener, selectors.EVENT_READ, None)
while True:
    for key, _ in sel.select():
        if key.data is None:
            Peer(*listener.accept())
        elif key.data in peers:
            key.data.readable()

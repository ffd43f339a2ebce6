import os
import socket
import sys
import threading

SHARED = os.environ.get("SERVER_SHARED_FILES", "SharedFiles")
clients = {}
lock = threading.Lock()


class Client(threading.Thread):
    def __init__(self, sock, addr):
        super().__init__(daemon=True)
        self.sock, self.user, self.target = sock, None, None
        self.sending = threading.Lock()
        print(f"connection from {addr[0]}:{addr[1]}", flush=True)

    def send(self, data):
        with self.sending:
            try:
                self.sock.sendall(data)
            except OSError:
                print("could not send to", self.user)

    def tell(self, text):
        self.send(text.encode() + b"\n")

    def tell_others(self, text):
        with lock:
            others = [c for c in clients.values() if c is not self]
        for other in others:
            other.tell(text)

    def say(self, text):
        if self.target is None:
            self.tell_others(f"{self.user}: {text}")
        elif self.target in clients:
            clients[self.target].tell(f"{self.user} (private): {text}")
        else:
            self.tell(f"{self.target} is not here")

    def list_files(self):
        names = sorted(os.listdir(SHARED))
        self.tell(f"{len(names)} files in SharedFiles")
        for name in names:
            self.tell("  " + name)

    def send_file(self, name):
        path = os.path.join(SHARED, os.path.basename(name))
        if not os.path.isfile(path):
            return self.tell("no such file: " + name)
        with open(path, "rb") as f:
            content = f.read()
        self.send(f"FILE {len(content)} {os.path.basename(path)}\n".encode() + content)

    def obey(self, line):
        command, _, rest = line.partition(" ")
        if command == "/to":
            self.target = rest.strip()
        elif command == "/all":
            self.target = None
        elif command == "/files":
            self.list_files()
        elif command == "/get":
            self.send_file(rest.strip())
        else:
            self.say(line)

    def run(self):
        try:
            lines = self.sock.makefile("rb")
            self.user = lines.readline().decode().strip()
            with lock:
                clients[self.user] = self
            self.tell_others(f"Welcome to the chat, {self.user}!")
            self.tell_others(f"*** {self.user} has joined")
            for raw in lines:
                line = raw.decode(errors="replace").rstrip("\r\n")
                if line == "/quit":
                    break
                self.obey(line)
        except OSError as e:
            print(self.user, "was cut off:", e)
        with lock:
            clients.pop(self.user, None)
        self.tell_others(f"*** {self.user} has left")
        self.sock.close()


with socket.create_server(("", int(sys.argv[1]))) as server:
    while True:
        Client(*server.accept()).start()

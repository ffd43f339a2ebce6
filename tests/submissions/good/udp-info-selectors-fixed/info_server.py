import selectors
import socket

HOST, PORT = "", 5002


class InfoServer:
    def __init__(self):
        self.seen = {}
        self.sel = selectors.DefaultSelector()
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind((HOST, PORT))
        self.sel.register(self.sock, selectors.EVENT_READ, self.on_readable)

    def on_readable(self):
        while True:
            try:
                data, (ip, port) = self.sock.recvfrom(65535)
            except BlockingIOError:
                return
            self.seen[ip, port] = self.seen.get((ip, port), 0) + 1
            print(f"[{self.seen[ip, port]}] {ip}:{port} sent {len(data)} bytes: {data!r}", flush=True)
            self.sock.sendto(b"got it\n", (ip, port))

    def loop(self):
        while True:
            for key, _ in self.sel.select(timeout=1.0):
                key.data()


InfoServer().loop()

import socketserver
import sys


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"say something> ")
        for line in self.rfile:
            text = line.decode("utf-8", "replace").strip()
            self.wfile.write(f"[{text}] was heard\nsay something> ".encode())

    def finish(self):
        try:
            super().finish()
        except OSError:
            print("somebody hung up")


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100


with Server(("0.0.0.0", int(sys.argv[1])), Conversation) as s:
    print("server", s.server_address, "up")
    s.serve_forever()

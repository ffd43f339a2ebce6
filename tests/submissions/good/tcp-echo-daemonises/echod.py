import os
import signal
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while True:
                data = self.request.recv(32768)
                if not data:
                    return
                self.request.sendall(data)
        except ConnectionError:
            pass


class Server(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    max_children = 100
    request_queue_size = 50


def daemonise():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


server = Server(("", int(sys.argv[1])), Echo)
print("going into the background")
sys.stdout.flush()
daemonise()
server.serve_forever()

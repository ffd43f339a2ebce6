import socketserver
import sys
import threading

lock = threading.Lock()


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        payload, sock = self.request
        ip = self.client_address[0]
        port = self.server.server_address[1]
        with lock:
            print("Received:", payload.decode(errors="replace").strip())
            print("   from ip:", ip)
            print("   on port:", port)
            sys.stdout.flush()
        sock.sendto(b"your port is %d" % port, self.client_address)


if __name__ == "__main__":
    with socketserver.ThreadingUDPServer(("0.0.0.0", int(sys.argv[1])), Handler) as server:
        server.serve_forever()

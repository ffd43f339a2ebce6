import socketserver
import sys


class Capitalizer(socketserver.StreamRequestHandler):
    number = 0

    def handle(self):
        Capitalizer.number += 1
        print("Handling client", Capitalizer.number)
        try:
            for raw in self.rfile:
                line = raw.decode(errors="replace").strip()
                if "CLOSE SOCKET" in line:
                    break
                self.wfile.write(line.upper().encode() + b"\n")
        except ConnectionError as e:
            print("connection lost:", e)


socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("", int(sys.argv[1])), Capitalizer) as server:
    server.serve_forever()

import socket
import sys
import threading


class ClientThread(threading.Thread):
    def __init__(self, address, sock):
        threading.Thread.__init__(self, daemon=True)
        self.sock = sock
        print("New connection:", address)

    def run(self):
        while True:
            try:
                data = self.sock.recv(2048)
                if not data:
                    break
                print("from client:", data.decode(errors="replace"))
                self.sock.sendall(b"Message received!\n")
            except OSError:
                break
        self.sock.close()


server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(sys.argv[1])))
server.listen(100)
while True:
    sock, address = server.accept()
    ClientThread(address, sock).start()

import sys
import socket


class EchoServer:
    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))

    def handle(self):
        data, addr = self.sock.recvfrom(65535)
        try:
            print("echo to", addr)
            self.sock.sendto(data, addr)
        finally:
            self.sock.close()

    def forever(self):
        while True:
            self.handle()


EchoServer(int(sys.argv[1])).forever()

import socket
import sys


class CapitalizeClient:
    def __init__(self, host, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.connect((host, port))

    def capitalize(self, text):
        self.sock.send(text.encode())
        return self.sock.recv(4096).decode()

    def loop(self):
        while True:
            text = input("Your text: ")
            try:
                print("Answer:", self.capitalize(text))
            except OSError as e:
                print("error:", e)


CapitalizeClient(sys.argv[1], int(sys.argv[2])).loop()

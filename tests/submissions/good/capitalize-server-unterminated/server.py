import socket
import sys
import threading


class Client(threading.Thread):
    total = 0

    def __init__(self, sock):
        super().__init__(daemon=True)
        Client.total += 1
        self.name = "client-" + str(Client.total)
        self.sock = sock

    def run(self):
        print(self.name, "is here")
        try:
            message = self.sock.recv(1024).decode()
            while message and message != "CLOSE SOCKET":
                self.sock.send(message.upper().encode())
                message = self.sock.recv(1024).decode()
        except (OSError, UnicodeDecodeError) as e:
            print(self.name, "broke:", e)
        self.sock.close()
        print(self.name, "has gone")


s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print("Ready")
while True:
    Client(s.accept()[0]).start()

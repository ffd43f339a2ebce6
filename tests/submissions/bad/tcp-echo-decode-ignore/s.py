import select
import socket
import sys

lis = socket.socket()
lis.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
lis.bind(("", int(sys.argv[1])))
lis.listen(50)
print("up")
clients = {}
poller = select.poll()
poller.register(lis, select.POLLIN)
while True:
    for fd, event in poller.poll():
        if fd == lis.fileno():
            c, a = lis.accept()
            clients[c.fileno()] = c
            poller.register(c, select.POLLIN)
            print("+", a)
            continue
        c = clients[fd]
        try:
            data = c.recv(2000)
            if data:
                text = data.decode("ascii", errors="ignore")
                c.sendall(text.encode())
        except OSError as e:
            print("!", e)
            data = b""
        if not data:
            poller.unregister(c)
            clients.pop(fd).close()
            print("-", fd)

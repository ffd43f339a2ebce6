import socket

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('', 5001))
s.listen(1)
while True:
    c, addr = s.accept()
    print(addr)
    c.recv(1024)
    c.close()

import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect((sys.argv[1], int(sys.argv[2])))
while True:
    text = input("lowercase sentence: ")
    s.send(text.encode())
    reply = s.recv(1024)
    if not reply:
        break
    print("from the server:", reply.decode())
s.close()
print("closed")

import socket
import sys


def ask(sock, text):
    sock.sendall(text.encode() + b"\n")
    return sock.recv(1024)


sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    try:
        text = input("> ")
    except EOFError:
        break
    answer = ask(sock, text)
    if not answer:
        print("server closed")
        break
    print(text.upper())
sock.close()

import socket
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(2)
address = (sys.argv[1], int(sys.argv[2]))
message = ""

while True:
    try:
        text = input("> ")
    except EOFError:
        break
    sock.sendto(message.encode(), address)
    try:
        data, server = sock.recvfrom(65535)
        print("echo from", server, ":", data.decode())
    except socket.timeout:
        print("no echo within 2 s")
    except ConnectionRefusedError:
        print("nobody there")

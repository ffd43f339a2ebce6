import socket
import sys

destination = (sys.argv[1], int(sys.argv[2]))
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

while True:
    try:
        message = input("Broadcast message: ")
    except EOFError:
        break
    if message == "":
        break
    try:
        sock.sendto(message.encode(), destination)
        print("sent to", destination)
    except OSError as error:
        print("not sent:", error)

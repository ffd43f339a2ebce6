import socket
import sys

server_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server_socket.bind(("", int(sys.argv[1])))
print("UDP server is up")
while True:
    message, client_address = server_socket.recvfrom(65535)
    print("Message:", message)
    server_socket.sendto(b"OK", client_address)

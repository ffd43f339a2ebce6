import socket
import sys

HOST = ""
PORT = int(sys.argv[1])

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((HOST, PORT))
    sock.listen(3)
    while True:
        connection, client_address = sock.accept()
        print("connection from", client_address)
        while True:
            data = connection.recv(256)
            if data:
                connection.sendall(data)
            else:
                print("no more data from", client_address)
                break
        connection.close()

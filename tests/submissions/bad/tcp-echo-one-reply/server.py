import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", int(sys.argv[1])))
server.listen(5)
print("Echo server ready")

while True:
    client, address = server.accept()
    print("Client:", address)
    try:
        message = client.recv(4096)
        client.sendall(message)
    except ConnectionError as e:
        print(e)
    client.close()

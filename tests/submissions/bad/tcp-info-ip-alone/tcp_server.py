from socket import *
from sys import argv

serverSocket = socket(AF_INET, SOCK_STREAM)
serverSocket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
serverSocket.bind(('', int(argv[1])))
serverSocket.listen(1)
print('The server is ready to receive')
while True:
    connectionSocket, addr = serverSocket.accept()
    print('Client connected from', addr[0])
    try:
        connectionSocket.send('Welcome\n'.encode())
    except OSError:
        pass
    connectionSocket.close()

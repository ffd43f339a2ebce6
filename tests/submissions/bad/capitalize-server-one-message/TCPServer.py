from socket import *
from threading import Thread
import sys


def answer(connectionSocket, clientId):
    print('client', clientId, 'is served')
    try:
        sentence = connectionSocket.recv(1024).decode(errors='replace')
        if 'CLOSE SOCKET' not in sentence:
            capitalizedSentence = sentence.upper()
            connectionSocket.sendall(capitalizedSentence.encode())
    except OSError:
        print('client', clientId, 'was lost')
    connectionSocket.close()


serverPort = int(sys.argv[1])
serverSocket = socket(AF_INET, SOCK_STREAM)
serverSocket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
serverSocket.bind(('', serverPort))
serverSocket.listen(10)
print('The server is ready to receive')
nextId = 1
while True:
    connectionSocket, addr = serverSocket.accept()
    Thread(target=answer, args=(connectionSocket, nextId), daemon=True).start()
    nextId += 1

import socket
import sys

servidor, puerto = sys.argv[1], int(sys.argv[2])
try:
    s = socket.create_connection((servidor, puerto))
except OSError as e:
    print("No se pudo conectar con el servidor:", e)
    sys.exit(1)

print("Conectado. Línea vacía para salir.")
while True:
    try:
        texto = input("mensaje> ")
    except EOFError:
        break
    if not texto:
        break
    s.sendall(texto.encode())
    recibido = b""
    while len(recibido) < len(texto.encode()):
        trozo = s.recv(1024)
        if not trozo:
            sys.exit("El servidor ha cerrado la conexión")
        recibido += trozo
    print("eco:", recibido.decode())
s.close()
print("Adiós")

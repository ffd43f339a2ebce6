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
    recibido = s.recv(8)
    if not recibido:
        sys.exit("El servidor ha cerrado la conexión")
    print("eco:", recibido.decode(errors="replace"))
s.close()
print("Adiós")

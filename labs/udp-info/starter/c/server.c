/* udp-info server: says who sent each datagram.
 *
 *     gcc -Wall -o server server.c && ./server PORT
 *
 * Each gap(...) below is yours: put code in its place that does what it says.
 * The names after the words are the variables it needs.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Stands where your code is missing. What it returns here, yours must give. */
static int gap(int number, const char *what, ...)
{
    fprintf(stderr, "gap %d is open: %s\n", number, what);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);

    int sock = gap(1, "a UDP socket on the port (socket, bind; htons; there is no listen)", port);
    printf("waiting on port %d\n", port);
    fflush(stdout);

    for (;;) {
        char message[65536], ip[INET_ADDRSTRLEN], reply[100];
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        ssize_t got = gap(2, "the next datagram and its sender (recvfrom)", sock, message, &address, &length);
        if (got < 0)
            continue; /* 0 is an empty datagram: its sender counts too */
        inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip);
        gap(3, "print the sender's IP address and port, and flush (ntohs)", ip, address.sin_port);
        gap(4, "send the sender a line 'you are ADDRESS port PORT (udp)' (sendto)", sock, reply, &address);
    }
}

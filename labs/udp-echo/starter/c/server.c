/* udp-echo server: sends each datagram back to its sender.
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
#include <sys/socket.h>
#include <unistd.h>

/* Stands where your code is missing. What it returns here, yours must give. */
static int gap(int number, const char *what, ...)
{
    fprintf(stderr, "gap %d is open: %s\n", number, what);
    exit(1);
}

/* No datagram of UDP is larger: a smaller buffer would cut. */
#define MAX_DATAGRAM 65535

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);

    int sock = gap(1, "a UDP socket on the port (socket, bind; htons)", port);
    printf("waiting on port %d\n", port);
    fflush(stdout);

    for (;;) {
        static char message[MAX_DATAGRAM];
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        ssize_t got = gap(2, "the next datagram and its sender (recvfrom)", sock, message, &address, &length);
        if (got < 0)
            continue;
        gap(3, "send it back to that sender, from this same socket (sendto)", sock, message, got, &address, length);
    }
}

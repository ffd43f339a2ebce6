/* broadcast receiver: prints what is broadcast to a port.
 *
 *     gcc -Wall -o receiver receiver.c && ./receiver PORT
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

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: receiver PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);

    int sock = gap(1, "a UDP socket with SO_REUSEADDR, bound to the port on all interfaces (INADDR_ANY)", port);
    printf("waiting on port %d\n", port);
    fflush(stdout);

    for (;;) {
        char message[65536];
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        ssize_t got = gap(2, "the next datagram and its sender (recvfrom)", sock, message, &address, &length);
        if (got >= 0)
            gap(3, "print the message and who sent it, and flush", message, got, &address);
    }
}

/* tcp-info server: says who connects.
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

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: server PORT\n");
        return 2;
    }
    int port = atoi(argv[1]);

    int listener = gap(1, "a TCP socket that listens on the port (socket, bind, listen; htons)", port);
    printf("listening on port %d\n", port);
    fflush(stdout);

    for (;;) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        int connection = gap(2, "the next client (accept)", listener, &address, &length);
        char ip[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip);
        gap(3, "print the client's IP address and port, and flush (ntohs)", ip, address.sin_port);
        char line[100];
        gap(4, "tell the client the same: a line 'you are ADDRESS port PORT (tcp)'", connection, line);
        close(connection); /* the listener stays open */
    }
}

/* broadcast sender: sends each line that you type to everyone.
 *
 *     gcc -Wall -o sender sender.c && ./sender ADDRESS PORT
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
    if (argc != 3) {
        fprintf(stderr, "usage: sender ADDRESS PORT\n");
        return 2;
    }
    const char *address = argv[1]; /* such as 192.168.1.255, or 255.255.255.255 */
    int port = atoi(argv[2]);

    int sock = gap(1, "a UDP socket that may send broadcasts (setsockopt SO_BROADCAST)");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = inet_addr(address);

    char line[1200];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        gap(2, "send the line to the broadcast address (sendto)", sock, line, &to);
    }
    return 0;
}
